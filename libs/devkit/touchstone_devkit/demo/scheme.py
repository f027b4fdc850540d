"""A running system as a test sees it: where it is, who may call, what happens in it."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from touchstone.auth import keys, tokens
from touchstone_devkit.demo.journey import Journey
from touchstone_devkit.demo.outcome import DECISIONS, Outcome
from touchstone_devkit.demo.quiet import Observer
from touchstone_devkit.demo.register import Register
from touchstone_devkit.demo.wire_tap import WireTap
from touchstone_devkit.demo.worlds import World, stage


@dataclasses.dataclass
class Scheme:
    """Inside the block `register` calls the services and `wire_tap` hears their events.

    Made from the environment of a system: AMQP_URI (TOUCHSTONE_AMQP_URI for callers, where it has one), MONGO_URI,
    TOUCHSTONE_DATABASE_PREFIX and TOUCHSTONE_KEY, the file of the private key that signs the callers' tokens.
    """

    environment: Mapping[str, str] = dataclasses.field(default_factory=lambda: os.environ, repr=False)

    def __post_init__(self) -> None:
        self.amqp_uri = self.environment["AMQP_URI"]
        self.key = keys.load(Path(self.environment["TOUCHSTONE_KEY"]))
        self.calls_uri = self.environment.get("TOUCHSTONE_AMQP_URI") or self.amqp_uri
        self.register = Register(self.calls_uri, self.token)
        self.wire_tap = WireTap(self.amqp_uri)

    def token(self, role: str, *, sub: str | None = None, cab: str | None = None, member: str | None = None) -> str:
        """A token of the development issuer; `sub` is `<role>-dev` by default."""
        return tokens.sign(self.key, sub or f"{role}-dev", role, cab=cab, member=member)

    def observer(self) -> Observer:
        """Looks into queues and databases."""
        prefix = self.environment.get("TOUCHSTONE_DATABASE_PREFIX", "touchstone")
        return Observer(self.amqp_uri, self.environment["MONGO_URI"], prefix)

    def travel(self, world: World) -> Outcome:
        """Bring the world's case to its end; what became of it."""
        journey = Journey([world.case], world.setup)
        with WireTap(self.amqp_uri, journey.hear) as wire_tap:
            stage(self.register, world)
            journey.travel(self.register, wire_tap)
        return journey.story[world.case.title][1]

    def __enter__(self) -> "Scheme":
        self.wire_tap.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.wire_tap.__exit__(None, None, None)
        self.register.close()


def decision_events(wire_tap: WireTap, audit_id: str) -> list[dict[str, Any]]:
    """The decisions that were announced on one audit."""
    return [message for message in wire_tap.about(audit_id) if message["type"] in DECISIONS]
