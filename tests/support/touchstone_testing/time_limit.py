"""Ends a test that takes longer than it may, under its own name, and lets the tests after it run.

pytest-timeout does so by a signal where the main thread runs the tests. It does not know the main thread where eventlet
has made threads green; it then ends the whole process, which loses the results of every test in it.
"""

import signal
from collections.abc import Generator
from types import FrameType
from typing import Any

import eventlet.hubs
import greenlet
import pytest

THROWN = pytest.StashKey[Any]()
RUNNING = pytest.StashKey[bool]()
"""Whether a part of the test runs (setup, call, teardown), rather than pytest's own work between them."""
RUNG = pytest.StashKey[list[float]]()
"""The limit in seconds, once for each time that it rang in the test."""


@pytest.hookimpl
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """Rings when the time is over, and again as often as the test goes on.

    It raises in parts of the test only, so that a report that takes long does not end the whole run; and in the
    test's own green thread: by way of the hub where another one runs, which may never give way; then the next ring
    ends that one, too.
    """
    testing = greenlet.getcurrent()
    rung = item.stash[RUNG] = []

    def ring(_signum: int, _frame: FrameType | None) -> None:
        if not item.stash.get(RUNNING, False):
            return
        too_long = pytest.fail.Exception(f"{item.nodeid} took longer than {settings.timeout:g} s")
        hub = eventlet.hubs.get_hub()
        rung.append(settings.timeout)
        if len(rung) == 1 and greenlet.getcurrent() not in (testing, hub.greenlet):
            item.stash[THROWN] = hub.schedule_call_global(0, testing.throw, too_long)
        else:
            raise too_long  # where the hub runs, it comes out in the main green thread, which waits for it

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, settings.timeout)
    return True


@pytest.hookimpl
def pytest_timeout_cancel_timer(item: pytest.Item) -> bool:
    signal.setitimer(signal.ITIMER_REAL, 0)
    if THROWN in item.stash:
        item.stash[THROWN].cancel()  # a test that ended meanwhile leaves nothing to the next one
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _part(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _part(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    for limit in item.stash.get(RUNG, [])[:1]:  # what takes down a test that was ended has its whole time
        signal.setitimer(signal.ITIMER_REAL, limit, limit)
    return (yield from _part(item))


def _part(item: pytest.Item) -> Generator[None, Any, Any]:
    item.stash[RUNNING] = True
    try:
        return (yield)
    finally:
        item.stash[RUNNING] = False
