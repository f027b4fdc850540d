"""The event types, a module for each service that announces them; to import the package registers them all."""

import importlib

from touchstone_contracts.services import SERVICES

MODULES = {service: importlib.import_module(f"{__name__}.{service}") for service in SERVICES}
