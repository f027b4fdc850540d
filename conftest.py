"""Makes the test process green, as a service is, before anything else is imported, and loads the shared fixtures."""

import eventlet

eventlet.monkey_patch()

pytest_plugins = ["touchstone_devkit.pytest_plugin"]
