"""Named places at which a test run may have this process killed, stopped or failed; outside of one they do nothing.

The environment switches them on, in the sandbox only:

    TOUCHSTONE_CRASH_POINTS=after_commit:kill:3     # the third time that the point is reached; several by commas
    TOUCHSTONE_CRASH_MARKERS=/some/folder           # `<point>` appears there when it happens, and it happens once
"""

import dataclasses
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import eventlet

from touchstone_chassis.config import ConfigError

PLAN_VARIABLE = "TOUCHSTONE_CRASH_POINTS"
MARKERS_VARIABLE = "TOUCHSTONE_CRASH_MARKERS"

POINTS = [
    "inbox",  # in the transaction, the key of the message is written
    "group",  # in a transaction that holds several units of work, some of it is written
    "domain",  # in the transaction, what the handler saved is written
    "outbox",  # in the transaction, the events are written
    "before_commit",  # the transaction holds everything
    "after_commit",  # and is committed; nobody knows yet
    "before_ack",  # a message was handled and is not acknowledged
    "relay_claim",  # events were taken for publishing
    "relay_publish",  # they were sent, and the broker has not confirmed
    "relay_confirm",  # the broker has answered; the log does not say so
    "relay_mark",  # they left the outbox for the log
    "rpc_commit",  # a command has run and is not committed
    "rpc_reply",  # a call is done and not answered
    "rpc_ack",  # it is answered, the request not acknowledged
]


def declare(*points: str) -> None:
    """Add a service's own points; its module says so when it is imported."""
    POINTS.extend(point for point in points if point not in POINTS)


class FaultInjected(Exception):
    """What the mode `raise` raises."""


def _raise() -> None:
    raise FaultInjected("a test run asked for this failure")


def _time_out() -> None:
    raise eventlet.Timeout()


MODES: Mapping[str, Callable[[], None]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),  # until somebody sends SIGCONT
    "raise": _raise,
    "base": _time_out,  # no Exception: what only catches those lets it pass
}


@dataclasses.dataclass
class _Trap:
    """What is to happen at one point, and how many times it must still be reached until then."""

    mode: str
    left: int
    marker: Path

    def spring(self) -> None:
        self.left -= 1
        if self.left != 0:
            return
        try:
            with self.marker.open("x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:  # it happened in an earlier life of this process
            return
        MODES[self.mode]()


_traps: dict[str, _Trap] = {}


def fault_point(point: str) -> None:
    """Say that the process has come to `point`. Does what the test run asked for there, which may be to raise."""
    if _traps and point in _traps:
        _traps[point].spring()


def arm(environ: Mapping[str, str], *, sandbox: bool) -> None:
    """Switch on what the environment asks for. Raises ConfigError outside the sandbox and for what it cannot read."""
    _traps.clear()
    plan = environ.get(PLAN_VARIABLE)
    if not plan:
        return
    if not sandbox:
        raise ConfigError([f"{PLAN_VARIABLE}: is for test runs; it needs the sandbox"])
    folder = environ.get(MARKERS_VARIABLE, "")
    if not Path(folder).is_dir() or not folder:
        raise ConfigError([f"{MARKERS_VARIABLE}: must name a folder when {PLAN_VARIABLE} is set"])
    _traps.update(_parsed(plan, Path(folder)))


def _parsed(plan: str, folder: Path) -> dict[str, _Trap]:
    traps = {}
    for entry in plan.split(","):
        point, _, rest = entry.strip().partition(":")
        mode, _, time = rest.partition(":")
        if point not in POINTS or mode not in MODES or not time.isdigit() or int(time) < 1:
            raise ConfigError([f"{PLAN_VARIABLE}: {entry!r} is not <point>:<mode>:<which time>"])
        traps[point] = _Trap(mode, int(time), folder / point)
    return traps
