"""Fails a unit test that reads the real clock, and hands those a time that need one.

A test is one when a folder `unit`, `architecture` or `contract` is in its path. While it is collected and run, what
Python offers to read the clock asks `_watch` who is asking: one of the libraries in `EXCEPTED` gets the real time;
everybody else gets the time that the test handed in with the fixture `fixed_time`, or fails the test. A thread that was
there before the test is not the test's (a fixture of the session keeps a system up beside it) and gets the real time.
Monotonic clocks are free. What C code reads by itself, and processes that a test starts, are not seen.
"""

import ctypes
import datetime
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

UNIT_FOLDERS = {"unit", "architecture", "contract"}
NOON = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
EXCEPTED = {
    "_pytest": "times its tests",
    "pytest_timeout": "counts a test's time",
    "hypothesis": "times its examples",
    "logging": "stamps its records",
    "structlog": "stamps its records (TimeStamper)",
    "prometheus_client": "stamps when a series began",
    "eventlet": "counts the time of its sockets and processes",
    "dateutil": "takes the century of years with two digits from it",
    "nameko": "measures its workers",
    "opentelemetry": "stamps its spans",
}


class FixedTime:
    """What a test hands to whatever reads the clock: it stands still until the test moves it, or lets it run."""

    def __init__(self, moment: datetime.datetime = NOON):
        self._moment = moment
        self._running_since: float | None = None

    @property
    def now(self) -> datetime.datetime:
        ran = 0.0 if self._running_since is None else time.monotonic() - self._running_since
        return self._moment + datetime.timedelta(seconds=ran)

    @property
    def seconds(self) -> float:
        """Since 1970."""
        return self.now.timestamp()

    def advance(self, seconds: float) -> None:
        self._moment += datetime.timedelta(seconds=seconds)

    def run(self) -> None:
        """From here on as fast as the real one: for what sleeps until a moment has come."""
        self._running_since = time.monotonic()


class _Watch:
    """Who read the clock since it was set."""

    def __init__(self) -> None:
        self.set = False
        self.handed: FixedTime | None = None
        self.reads: list[str] = []
        self._of_others: set[int] = set()

    def begin(self) -> None:
        # Threads of the interpreter, and those that eventlet has made green, which it does not know.
        known = {thread.ident for thread in threading.enumerate() if thread.ident is not None}
        self._of_others = (set(sys._current_frames()) | known) - {threading.get_ident()}
        self.set, self.reads = True, []

    def end(self) -> str:
        """What is to be said against the test; empty when it read nothing."""
        self.set, reads = False, dict.fromkeys(self.reads)
        if not reads:
            return ""
        return "\n  ".join(["it reads the real clock; hand in a time (fixture `fixed_time`):", *reads])

    def time_for(self, caller: Any, name: str) -> FixedTime | None:
        """The time to give to this frame; None for the real one."""
        if not self.set or threading.get_ident() in self._of_others:
            return None
        if caller.f_globals.get("__name__", "").partition(".")[0] in EXCEPTED:
            return None
        if self.handed is None:
            code, module = caller.f_code, caller.f_globals.get("__name__")
            self.reads.append(f"{code.co_filename}:{caller.f_lineno} in {code.co_name} ({module}): {name}")
        return self.handed


_watch = _Watch()


@pytest.fixture
def fixed_time() -> Iterator[FixedTime]:
    """What the clock shows in this test, to all but `EXCEPTED`."""
    _watch.handed = FixedTime()
    yield _watch.handed
    _watch.handed = None


def pytest_configure() -> None:
    for name, moment_at in {"time": 0, "time_ns": 0, "gmtime": 0, "localtime": 0, "ctime": 0, "strftime": 1}.items():
        setattr(time, name, _asking(name, getattr(time, name), moment_at))
    for kind, name in [(datetime.datetime, "now"), (datetime.datetime, "utcnow"), (datetime.date, "today")]:
        _replace(kind, name)


def is_unit(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) and not UNIT_FOLDERS.isdisjoint(path.relative_to(root).parts)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """What a module reads is of when it was collected: long ago, for its last test."""
    if not isinstance(collector, pytest.Module) or not is_unit(collector.path, collector.config.rootpath):
        return (yield)
    _watch.begin()
    try:
        report: pytest.CollectReport = yield
    finally:
        said = _watch.end()
    if said:
        report.outcome, report.longrepr = "failed", said
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Any:
    if is_unit(item.path, item.config.rootpath):
        _watch.begin()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    try:
        result = yield
    finally:
        said = _watch.end()
    if said:
        pytest.fail(said, pytrace=False)
    return result


_HANDED: dict[str, Callable[..., Any]] = {
    "time": lambda now: now,
    "time_ns": lambda now: int(now * 1e9),
    "gmtime": time.gmtime,
    "localtime": time.localtime,
    "ctime": time.ctime,
    "strftime": lambda now, form, local=time.localtime, write=time.strftime: write(form, local(now)),
    "now": lambda now, kind, tz=None: kind.fromtimestamp(now, tz),
    "utcnow": lambda now, kind: kind.fromtimestamp(now, datetime.UTC).replace(tzinfo=None),
    "today": lambda now, kind: kind.fromtimestamp(now),
}


def _asking(name: str, real: Callable[..., Any], moment_at: int) -> Callable[..., Any]:
    """The function, which reads the clock only where the argument with the moment is left out."""

    def asked(*arguments: Any) -> Any:
        handed = _watch.time_for(sys._getframe(1), name) if len(arguments) <= moment_at else None
        return real(*arguments) if handed is None else _HANDED[name](handed.seconds, *arguments)

    return asked


def _replace(kind: type, name: str) -> None:
    """A class method of a class in C, which has no other way in than its dictionary."""
    methods = gc.get_referents(kind.__dict__)[0]
    real = methods[name]

    def asked(cls: type, *arguments: Any, **named: Any) -> Any:
        handed = _watch.time_for(sys._getframe(1), f"{cls.__name__}.{name}")
        if handed is None:
            return real.__get__(None, cls)(*arguments, **named)
        return _HANDED[name](handed.seconds, cls, *arguments, **named)

    methods[name] = classmethod(asked)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
