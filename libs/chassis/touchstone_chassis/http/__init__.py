"""What a process that speaks HTTP and runs no nameko builds on; it brings neither nameko nor eventlet.

application = Routes({"/things": list_things})      # any WSGI server serves it
"""

from touchstone_chassis.config import ConfigError, load
from touchstone_chassis.http.errors import status_of
from touchstone_chassis.http.routes import Response, Routes, json_response
from touchstone_chassis.observability.logs import configure
from touchstone_chassis.observability.metrics import CONTENT_TYPE, exposition

__all__ = [
    "CONTENT_TYPE",
    "ConfigError",
    "Response",
    "Routes",
    "configure",
    "exposition",
    "json_response",
    "load",
    "status_of",
]
