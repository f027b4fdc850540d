"""What a consumer knows of each producer: whether it has handled all that was committed, and since when it has not."""

import dataclasses
import datetime
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from touchstone_chassis.heartbeat.counts import Counts

BEHIND_AFTER = datetime.timedelta(seconds=10)
"""For so long what a heartbeat counts may be on its way."""


@dataclasses.dataclass(frozen=True)
class Heartbeat:
    """How many events of each name a producer had committed at a moment, by its own clock."""

    producer: str
    at: datetime.datetime
    counts: Counts

    @classmethod
    def stored(cls, document: Mapping[str, Any]) -> "Heartbeat":
        return cls(document["_id"], document["at"], {name: count for name, count in document["counts"]})


@dataclasses.dataclass(frozen=True)
class Lag:
    """What a consumer is behind with: in words, and whether for so long that somebody has to see to it."""

    told: str
    late: bool


@dataclasses.dataclass
class Standing:
    """Of one producer. `in_step_at`: the last moment of which everything is known to be handled; None: of none yet."""

    producer: str
    names: Collection[str]
    """Of its events that are handled here."""
    in_step_at: datetime.datetime | None = None
    behind_since: datetime.datetime | None = None
    lacking: Counts = dataclasses.field(default_factory=dict)
    heard_at: datetime.datetime | None = None
    _target: Heartbeat | None = None

    def look(self, heard: Heartbeat, handled: Mapping[str, int]) -> None:
        """Compare what was handled with the oldest heartbeat that was not reached yet."""
        self.heard_at = heard.at
        target = self._target or heard
        self.lacking = self._lacking(target, handled)
        if self.lacking:
            self._target = target
            self.behind_since = target.at if heard.at - target.at >= BEHIND_AFTER else self.behind_since
            return
        self._target, self.behind_since = None, None
        self.in_step_at = heard.at if not self._lacking(heard, handled) else target.at

    def is_in_step(self, now: datetime.datetime) -> bool:
        """Whether what it does not know by now is not there, or was committed a moment ago."""
        return self.in_step_at is not None and now - self.in_step_at <= BEHIND_AFTER

    def _lacking(self, heartbeat: Heartbeat, handled: Mapping[str, int]) -> Counts:
        short = {name: heartbeat.counts.get(name, 0) - handled.get(name, 0) for name in self.names}
        return {name: count for name, count in short.items() if count > 0}


def standings(names: Iterable[str]) -> dict[str, Standing]:
    """One for each producer of these events."""
    by_producer: dict[str, set[str]] = {}
    for name in names:
        by_producer.setdefault(name.partition(".")[0], set()).add(name)
    return {producer: Standing(producer, sorted(found)) for producer, found in sorted(by_producer.items())}
