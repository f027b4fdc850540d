"""The crash point cases that exist: which service reaches which point, and in which ways it can fail there."""

import dataclasses
import random
from importlib.metadata import entry_points

from touchstone_chassis.api import OperatorApi
from touchstone_chassis.handlers.entrypoint import entrypoints_of
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.handlers.messages import OnMessage
from touchstone_chassis.rpc.method import Method
from touchstone_chassis.testing.fault_points import MODES, POINTS
from touchstone_contracts.services import SERVICES

_CLASSES = {name: entry_points(group="touchstone.services")[name].load() for name in SERVICES}  # declares their points
_HANDLES_MESSAGES = tuple(
    name
    for name, service in _CLASSES.items()
    if any(any(entrypoints_of(service, kind)) for kind in (OnEvent, OnMessage))
)
_TAKES_COMMANDS = tuple(
    name
    for name, service in _CLASSES.items()
    if any(m.changes and not hasattr(OperatorApi, m.method_name) for m in entrypoints_of(service, Method))
)
"""Beside those that every operator may give every service."""
_ONLY_IN = {
    "inbox": _HANDLES_MESSAGES,
    "before_ack": _HANDLES_MESSAGES,
    "group": _HANDLES_MESSAGES,
    "rpc_commit": _TAKES_COMMANDS,
    "notice_record": ("notification",),
    "notice_send": ("notification",),
    "notice_mark": ("notification",),
}
_SELDOM = ("group",)
TIME_MAX, TIME_MAX_SELDOM = 4, 2
"""So that the point is surely reached, and not always by the same kind of work."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A service that fails in one way at one point."""

    service: str
    point: str
    mode: str
    kind = "crash"
    servers = "any"

    @property
    def name(self) -> str:
        return f"{self.service}/{self.point}/{self.mode}"

    def time(self, seed: int) -> int:
        """The how manieth time that the point is reached is the one: the seed decides."""
        last = TIME_MAX_SELDOM if self.point in _SELDOM else TIME_MAX
        return random.Random(f"{seed} {self.name}").randint(1, last)


ALL = [Case(service, point, mode) for mode in MODES for point in POINTS for service in _ONLY_IN.get(point, SERVICES)]


def named(name: str) -> Case:
    return next(case for case in ALL if case.name == name)
