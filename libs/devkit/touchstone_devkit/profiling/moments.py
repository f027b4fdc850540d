"""Reads what the services recorded (`observability.spans`), and sorts it by the work that each moment belongs to."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

OPENS_BATCH = {"relay_claim": "relay", "publish_begun": "relay", "group_begun": "group"}
"""Moments with which a greenlet turns to many units or outbox rows at once, and which of the two."""
ENDS_BATCH = {"relay_mark", "group_committed", "group_failed"}


@dataclasses.dataclass(frozen=True)
class Moment:
    """When a greenlet was where. Times in nanoseconds: `at` unix time, `cpu` of the greenlet since it began.

    `shared` says among how many units the CPU time up to here was shared.
    """

    at: int
    point: str
    greenlet: int = 0
    cpu: int = 0
    names: dict[str, Any] = dataclasses.field(default_factory=dict)
    shared: int = 1


@dataclasses.dataclass
class Work:
    """One delivery that a worker turned to, and the moments that followed in the same greenlet."""

    queue: str
    correlation: str
    message: str
    received: int
    moments: list[Moment] = dataclasses.field(default_factory=list)

    @property
    def key(self) -> str | None:
        """The idempotency key of a command."""
        return next((m.names["key"] for m in self.moments if m.point == "command" and "key" in m.names), None)

    def first(self, *points: str) -> Moment | None:
        return next((m for m in self.moments if m.point in points), None)

    def last(self, *points: str) -> Moment | None:
        return next((m for m in reversed(self.moments) if m.point in points), None)

    @property
    def unit(self) -> str:
        """How an origin names it: for a call without the message that caused it."""
        return f"{self.correlation}/{self.message}"


@dataclasses.dataclass
class Batch:
    """What one greenlet did for many: a group's transaction, or a window of the relay."""

    kind: str
    names: list[str] = dataclasses.field(default_factory=list)
    moments: list[Moment] = dataclasses.field(default_factory=list)

    def at(self, point: str) -> int | None:
        return next((m.at for m in self.moments if m.point == point), None)


@dataclasses.dataclass
class Recorded:
    """All that the processes of one service recorded; among `commands` to the database are those of no work."""

    works: list[Work] = dataclasses.field(default_factory=list)
    batches: list[Batch] = dataclasses.field(default_factory=list)
    commands: list[Moment] = dataclasses.field(default_factory=list)


def read(folder: Path, service: str) -> Recorded:
    """What the processes of `service` wrote into `folder`. A line that a kill cut short is left out."""
    recorded = Recorded()
    for path in sorted(folder.glob(f"{service}-*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            found = sort(_parsed(lines))
        recorded.works += found.works
        recorded.batches += found.batches
        recorded.commands += found.commands
    return recorded


def _parsed(lines: Iterable[str]) -> Iterator[Moment]:
    for line in lines:
        try:
            at, _process_cpu, cpu, greenlet, point, names = json.loads(line)
        except ValueError:
            continue
        yield Moment(at, point, greenlet, cpu, names)


def sort(moments: Iterable[Moment]) -> Recorded:
    """The works and batches of one process, from its moments in order; what belongs to none is left out."""
    recorded = Recorded()
    working: dict[int, Work] = {}
    batching: dict[int, Batch] = {}
    for moment in moments:
        if moment.point == "database":
            recorded.commands.append(moment)
        if moment.point == "work_started":
            names = moment.names
            work = Work(names["queue"], names["correlation"], names["message"], names["received"], [moment])
            working[moment.greenlet] = work
            recorded.works.append(work)
            batching.pop(moment.greenlet, None)
        elif moment.point in OPENS_BATCH or moment.greenlet in batching:
            _to_batch(moment, batching, recorded.batches)
        elif moment.greenlet in working:
            working[moment.greenlet].moments.append(moment)
            if moment.point == "settled":
                del working[moment.greenlet]
    return recorded


def _to_batch(moment: Moment, batching: dict[int, Batch], all_of_them: list[Batch]) -> None:
    kind = OPENS_BATCH.get(moment.point)
    batch = batching.get(moment.greenlet)
    if kind is not None and (batch is None or any(m.point not in OPENS_BATCH for m in batch.moments)):
        batch = batching[moment.greenlet] = Batch(kind)
        all_of_them.append(batch)
    assert batch is not None
    batch.names += moment.names.get("rows", moment.names.get("units", []))
    batch.moments.append(moment)
    if moment.point in ENDS_BATCH:
        del batching[moment.greenlet]
