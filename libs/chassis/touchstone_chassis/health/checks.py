"""What a service's readiness depends on: named checks, each run one at a time and within a limit."""

import time
from collections.abc import Callable
from typing import Any

import eventlet
from eventlet.greenthread import GreenThread
from nameko.extensions import SharedExtension

Check = Callable[[], tuple[bool, str]]
Report = dict[str, Any]

CHECK_TIMEOUT_S = 1.5


class Checks(SharedExtension):
    """What a service's readiness depends on: every extension adds its own checks in its setup()."""

    def __init__(self) -> None:
        self._checks: dict[str, _OneAtATime] = {}

    def add(self, name: str, check: Check) -> None:
        """Let readiness depend on `check`, which gives (whether all is well, a sentence for people). It may block,
        in green threads only; one that raises or takes longer than CHECK_TIMEOUT_S counts as failed."""
        self._checks[name] = _OneAtATime(check)

    def run(self, timeout_s: float = CHECK_TIMEOUT_S) -> list[Report]:
        """Every check's name, ok and detail, by name, after `timeout_s` at most."""
        deadline = time.monotonic() + timeout_s
        running = [(name, check.start()) for name, check in sorted(self._checks.items())]
        return [{"name": name, **_outcome(thread, deadline)} for name, thread in running]


class _OneAtATime:
    """A check that hangs is not started a second time: whoever asks waits for the run under way."""

    def __init__(self, check: Check):
        self._check = check
        self._thread: GreenThread | None = None

    def start(self) -> GreenThread:
        if self._thread is None or self._thread.dead:
            self._thread = eventlet.spawn(self._guarded)
        return self._thread

    def _guarded(self) -> tuple[bool, str]:
        try:
            return self._check()
        except (Exception, eventlet.Timeout) as error:
            return False, f"the check failed: {type(error).__name__}"


def _outcome(thread: GreenThread, deadline: float) -> Report:
    ok, detail = False, "no answer in time"
    with eventlet.Timeout(max(deadline - time.monotonic(), 0.001), False):
        ok, detail = thread.wait()
    return {"ok": bool(ok), "detail": detail}
