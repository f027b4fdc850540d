"""The event types, a module for each service that announces them; importing the package registers those in use."""

import importlib
import importlib.util

from touchstone_contracts.services import SERVICES

MODULES = {
    service: importlib.import_module(f"{__name__}.{service}")
    for service in SERVICES
    if importlib.util.find_spec(f"{__name__}.{service}")
}
