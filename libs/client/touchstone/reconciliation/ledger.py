"""What a reconciliation knows: events, what consumers made of them, facts of the domain, discrepancies."""

import dataclasses
import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

MISSING, PARKED, REPLAYING, DISCARDED = "missing", "parked", "replaying", "discarded"
"""What a consumer says of an event that it has not handled."""


@dataclasses.dataclass(frozen=True)
class Mend:
    """What may safely be done about a discrepancy: a command of `service`, for these ids or keys."""

    service: str
    method: str
    ids: tuple[str, ...]
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Discrepancy:
    """Two ledgers that do not agree. `service` is whom it concerns; `about` (ids) and `kind` make it the same one."""

    service: str
    kind: str
    about: Mapping[str, str]
    sentence: str
    mend: Mend | None = None

    @property
    def id(self) -> str:
        return discrepancy_id(self.service, self.kind, self.about)

    def as_report(self) -> dict[str, Any]:
        return {"id": self.id, "kind": self.kind, "about": dict(self.about), "sentence": self.sentence}


def discrepancy_id(service: str, kind: str, about: Mapping[str, str]) -> str:
    told = "|".join([service, kind, *(f"{name}={about[name]}" for name in sorted(about))])
    return hashlib.sha256(told.encode()).hexdigest()[:24]


@dataclasses.dataclass(frozen=True, slots=True)
class Committed:
    """An event as its producer's outbox has it. `published_at` is None while it waits for the broker."""

    id: str
    type: str
    subject: str
    sequence: int
    recorded_at: datetime.datetime
    published_at: datetime.datetime | None

    @property
    def producer(self) -> str:
        return producer_of(self.type)


@dataclasses.dataclass
class Waiting:
    """What one consumer has not handled of what it was asked for, and what its queues hold.

    `states`: MISSING, PARKED, REPLAYING or DISCARDED. `edited`: events of which a dead letter got another body.
    """

    states: dict[str, str] = dataclasses.field(default_factory=dict)
    edited: set[str] = dataclasses.field(default_factory=set)
    queues: dict[str, int | None] = dataclasses.field(default_factory=dict)
    retrying: int = 0
    asked: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class Snapshot:
    """What all services said at one look."""

    now: datetime.datetime
    grace: datetime.timedelta = datetime.timedelta(seconds=60)
    states: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    committed: dict[str, Committed] = dataclasses.field(default_factory=dict)
    waiting: dict[str, Waiting] = dataclasses.field(default_factory=dict)
    unknown: dict[str, list[tuple[str, str]]] = dataclasses.field(default_factory=dict)
    """By consumer, events (id, type) that it handled and that their producer does not know."""
    audits: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    cases: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    announcements: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def handled(self, consumer: str, event: Committed) -> bool:
        """Whether the consumer was asked for the event and has handled it."""
        waiting = self.waiting.get(consumer)
        return waiting is not None and event.id in waiting.asked and event.id not in waiting.states

    def discarded(self, consumer: str, event: Committed) -> bool:
        """Whether an operator of the consumer discarded the event: nothing is to come of it there."""
        waiting = self.waiting.get(consumer)
        return waiting is not None and waiting.states.get(event.id) == DISCARDED

    def held_back(self, id: str) -> str | None:
        """Why the event must not go out again as its producer has it: it goes to every consumer. None: it may."""
        for consumer, waiting in self.waiting.items():
            state = waiting.states.get(id)
            if state == DISCARDED:
                return f"{consumer} discarded it"
            if state is not None and id in waiting.edited:
                return f"an operator of {consumer} gave it another body"
            if state == REPLAYING:
                return f"an operator of {consumer} sent it back, and it is on its way there"
        return None


@dataclasses.dataclass
class Findings:
    """The discrepancies of one look by id, and the events and audits of which not everything can be said yet."""

    found: dict[str, Discrepancy] = dataclasses.field(default_factory=dict)
    undecided: set[str] = dataclasses.field(default_factory=set)
    unfinished: dict[str, Committed] = dataclasses.field(default_factory=dict)
    """Events that a consumer has not handled yet, wherever they are: parked, under way or lost."""

    def add(self, discrepancies: Iterable[Discrepancy]) -> None:
        self.found |= {discrepancy.id: discrepancy for discrepancy in discrepancies}

    def leaves_open(self, about: Mapping[str, str]) -> bool:
        """Whether it cannot be said yet that nothing is wrong with what a discrepancy is about."""
        return bool({about.get("event"), about.get("audit")} & self.undecided)


def producer_of(type_name: str) -> str:
    return type_name.partition(".")[0]


def name_of(type_name: str) -> str:
    """The event's name in all its versions."""
    return type_name.rpartition(".v")[0]
