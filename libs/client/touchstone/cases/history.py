"""Gathers what all services know of one case's events, and orders them into a tree by what caused what."""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import touchstone_contracts.events  # noqa: F401 - registers all events
from touchstone.rpc.fan_out import FanOut
from touchstone_contracts.registry import known
from touchstone_contracts.services import SERVICES

STEPS_MAX = 50
"""A case is a handful of steps deep; deeper than this it is not followed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """An event as its producer's outbox knows it; `cause` is the id of the message that led to it.

    `foreign` marks one that is no part of the case and is here because it caused something in it, or was caused by it.
    """

    id: str
    service: str
    type: str
    at: datetime.datetime
    cause: str | None = None
    published_at: datetime.datetime | None = None
    trigger: str = ""
    by: str = ""
    attempts: int = 0
    last_outcome: str | None = None
    foreign: bool = False
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False, compare=False)


@dataclasses.dataclass(frozen=True)
class Node:
    """An event, or (`event` None) a cause of which nobody has the event any more, with what came of it.

    `loops`: its cause stands below it, which cannot be; it is shown all the same.
    """

    id: str
    event: Event | None
    children: "tuple[Node, ...]" = ()
    loops: bool = False

    @property
    def at(self) -> datetime.datetime:
        """When it happened; of a missing cause, when the first thing happened that came of it."""
        return self.event.at if self.event else min(child.at for child in self.children)


@dataclasses.dataclass
class CaseHistory:
    """`processed` and `parked` are by event id; `consumers` names the services that handle an event type."""

    events: dict[str, Event] = dataclasses.field(default_factory=dict)
    processed: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    parked: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    consumers: dict[str, list[str]] = dataclasses.field(default_factory=dict)


def gather(services: FanOut, case: str, subjects: Iterable[str]) -> CaseHistory:
    """Everything that became of the audit `case`: the events about `subjects`, what they led to and what led to them.

    `subjects` are ids of the case's aggregates: audit, case, certificate, notices.
    """
    history = CaseHistory()
    frontier = _events(services, "subjects", {case, *subjects}, is_foreign=lambda _facts: False)
    for _step in range(STEPS_MAX):
        history.events |= {event.id: event for event in frontier}
        # What belongs to another case is shown as led to, and is not followed any further.
        ids = [event.id for event in frontier if not event.foreign]
        led_to = _events(services, "caused_by", ids, is_foreign=lambda facts: facts.get("audit_id", case) != case)
        frontier = [event for event in led_to if event.id not in history.events]
        if not frontier:
            break
    # Events outside the case may have led to one in it, such as the activation of its member.
    causes = {event.cause for event in history.events.values() if event.cause and "/" not in event.cause}
    outside = _events(services, "ids", causes - history.events.keys(), is_foreign=lambda _facts: True)
    history.events |= {event.id: event for event in outside}
    _follow(services, history)
    return history


def without_records(history: CaseHistory) -> CaseHistory:
    """Without records, which say that nothing happened; one that led to something stays."""
    causes = {event.cause for event in history.events.values()}
    told = {id: event for id, event in history.events.items() if id in causes or not _is_record(event.type)}
    return dataclasses.replace(history, events=told)


def _is_record(type_name: str) -> bool:
    event_class = known(type_name)
    return event_class is not None and event_class.record


def tree(events: Iterable[Event]) -> tuple[Node, ...]:
    """The roots, earliest first, each event once below its cause. Terminates and leaves nothing out on any input."""
    by_id = {event.id: event for event in sorted(events, key=lambda event: (event.at, event.id))}
    below: dict[str, list[Event]] = {}
    for event in by_id.values():
        if event.cause:
            below.setdefault(event.cause, []).append(event)
    placed: set[str] = set()

    def grown(id: str) -> Node:
        placed.add(id)
        return Node(id, by_id.get(id), tuple(grown(child.id) for child in below.get(id, ()) if child.id not in placed))

    roots = [grown(event.id) for event in by_id.values() if not event.cause]
    roots += [grown(cause) for cause in below if cause not in by_id]
    # What is left is caused by itself, in the end.
    roots += [dataclasses.replace(grown(id), loops=True) for id in by_id if id not in placed]
    return tuple(sorted(roots, key=lambda node: (node.at, node.id)))


def _events(
    services: FanOut, selector: str, ids: Iterable[str], *, is_foreign: Callable[[Mapping[str, Any]], bool]
) -> list[Event]:
    return [
        Event(
            id=item["id"],
            service=service,
            type=item["type"],
            at=moment(item["recorded_at"]),
            cause=item["causation_id"],
            published_at=moment(item["published_at"]) if item["published_at"] else None,
            trigger=item["trigger"] or "",
            by=item["by"] or "",
            attempts=item["attempts"],
            last_outcome=item["last_outcome"],
            foreign=is_foreign(item["facts"]),
            facts=item["facts"],
        )
        for service, item in services.find_events(selector, sorted(ids))
    ]


def _follow(services: FanOut, history: CaseHistory) -> None:
    """When each of the case's own events was processed, and what was dead-lettered of them."""
    ids = sorted(event.id for event in history.events.values() if not event.foreign)
    for service in SERVICES:
        found = services.trace(service, ids)
        for name in found["consumes"]:
            history.consumers.setdefault(name, []).append(service)
        for kept, rows in ((history.processed, found["processed"]), (history.parked, found["dead_letters"])):
            for row in rows:
                kept.setdefault(row["event_id"], []).append({"service": service, **row})


def moment(text: str) -> datetime.datetime:
    """A time of an answer; always with an offset."""
    return datetime.datetime.fromisoformat(text)


def age(seconds: float) -> str:
    """`12 s`, `3 min`, `5 h`, `9 d`."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds // length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
