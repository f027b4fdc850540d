"""Makes the test process green, as a service is, before anything else is imported, and loads the shared fixtures."""

import eventlet

eventlet.monkey_patch()

import gc
import os

gc.disable()  # what is loaded now stays

import pytest
from hypothesis import settings

from touchstone_testing.examples import examples

settings.register_profile("touchstone", max_examples=examples(100), deadline=None)  # a slow machine is no finding
settings.load_profile("touchstone")

pytest_plugins = ["touchstone_devkit.pytest_plugin", "touchstone_testing.clock_guard", "touchstone_testing.time_limit"]


@pytest.fixture(autouse=True)
def _time_stands_still_for_services(request: pytest.FixtureRequest) -> None:
    """Their unit tests emit events, whose ids hold a time; it is made in the chassis."""
    from touchstone_testing.clock_guard import is_unit  # a plugin: pytest loads it first

    root = request.config.rootpath
    if request.path.is_relative_to(root / "services") and is_unit(request.path, root):
        request.getfixturevalue("fixed_time")


LONG = os.environ.get("TOUCHSTONE_LONG", "") not in ("", "0")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long rehearsals to those who ask for them."""
    left_out = [] if LONG else [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Look for garbage less often, and never at what is loaded by now: it stays."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(100_000)
