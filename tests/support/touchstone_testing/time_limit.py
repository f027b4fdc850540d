"""Ends a test that takes longer than it may, under its own name, and lets the tests after it run.

pytest-timeout does so by a signal where the main thread runs the tests. It does not know the main thread where eventlet
has made threads green; it then ends the whole process, which loses the results of every test in it.
"""

import signal
from types import FrameType
from typing import Any

import eventlet.hubs
import greenlet
import pytest

THROWN = pytest.StashKey[Any]()


@pytest.hookimpl
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool:
    """Rings when the time is over, and again as often as the test goes on.

    It raises in the test's own green thread: by way of the hub where another one runs, which may never give way; then
    the next ring ends that one, too.
    """
    testing = greenlet.getcurrent()
    rung: list[int] = []

    def ring(signum: int, _frame: FrameType | None) -> None:
        too_long = pytest.fail.Exception(f"{item.nodeid} took longer than {settings.timeout:g} s")
        hub = eventlet.hubs.get_hub()
        rung.append(signum)
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
