"""Makes the test process green, as a service is, before anything else is imported, and loads the shared fixtures."""

import eventlet

eventlet.monkey_patch()

from hypothesis import settings

settings.register_profile("touchstone", deadline=None)  # a slow machine is no finding
settings.load_profile("touchstone")

pytest_plugins = ["touchstone_devkit.pytest_plugin"]
