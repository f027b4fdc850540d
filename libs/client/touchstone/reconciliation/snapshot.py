"""Asks every service for its ledger, page by page: what happened since a moment, and what is named beside it."""

import dataclasses
import datetime
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from touchstone.reconciliation.comparison import (
    ASSESSMENT,
    AUDIT_ACCEPTED,
    CERTIFICATION,
    HELD,
    ISSUED,
    NOTIFICATION,
    REFUSED,
    TOLD,
)
from touchstone.reconciliation.ledger import Committed, Discrepancy, Snapshot, Waiting, name_of, producer_of
from touchstone.rpc.fan_out import pages
from touchstone_contracts.services import SERVICES

PAGE = 500
UNKNOWN = "event_unknown_upstream"

Ask = Callable[..., Any]
"""Calls a method: `ask(service, method, **arguments)`."""
Span = tuple[datetime.datetime, datetime.datetime | None]
"""From when on, and until when (None: until now)."""


@dataclasses.dataclass
class Seeds:
    """What is looked at beside what happened lately: ids out of discrepancies, and of events that are followed."""

    events: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    subjects: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    audits: set[str] = dataclasses.field(default_factory=set)
    handled: dict[str, set[tuple[str, str]]] = dataclasses.field(default_factory=dict)
    """By consumer, events (id, type) whose producer did not know them."""

    @classmethod
    def of(cls, discrepancies: Iterable[Discrepancy], events: Iterable[Committed] = ()) -> "Seeds":
        """Have what these are about looked at again."""
        seeds = cls()
        for event in events:
            seeds.events.setdefault(event.producer, set()).add(event.id)
        for discrepancy in discrepancies:
            seeds._add(discrepancy.service, discrepancy.kind, discrepancy.about)
        return seeds

    def _add(self, service: str, kind: str, about: Mapping[str, str]) -> None:
        if kind == UNKNOWN:
            self.handled.setdefault(service, set()).add((about["event"], about["type"]))
        elif "event" in about:
            self.events.setdefault(about["producer"], set()).add(about["event"])
        elif "subject" in about:
            self.subjects.setdefault(about["producer"], set()).add(about["subject"])
        if "audit" in about:
            self.audits.add(about["audit"])
            self.subjects.setdefault(ASSESSMENT, set()).add(about["audit"])


def take_snapshot(ask: Ask, *, span: Span | None, seeds: Seeds, overdue_s: int, grace: datetime.timedelta) -> Snapshot:
    """Everything that happened in the span (nothing for None), with what the seeds name, in all services.

    Raises what `ask` raises.
    """
    seen = Snapshot(now=_now(), grace=grace)
    seen.states = {service: ask(service, "get_reconciliation_state", overdue_s=overdue_s) for service in SERVICES}
    handled = _handled(ask, seen, span, seeds)  # first: what is handled was committed before
    for service in SERVICES:
        seen.committed |= {event.id: event for event in _committed(ask, service, span, seeds)}
        seen.committed |= {event.id: event for event in _earlier(ask, seen, service)}
    for consumer, state in seen.states.items():
        if state["consumes"]:
            seen.waiting[consumer] = _waiting(ask, seen, consumer)
            seen.unknown[consumer] = _unknown(ask, seen, handled[consumer])
    _add_facts(ask, seen, seeds.audits)
    return seen


def _handled(ask: Ask, seen: Snapshot, span: Span | None, seeds: Seeds) -> dict[str, set[tuple[str, str]]]:
    """By consumer, what it handled lately, and what of the seeds it still knows."""
    found: dict[str, set[tuple[str, str]]] = {}
    for consumer, state in seen.states.items():
        asked = {"since": span[0], "until": span[1]} if span else {}
        rows = _pages(ask, consumer, "list_processed_events", **asked) if span and state["consumes"] else ()
        found[consumer] = {(row["id"], row["type"]) for row in rows}
        seeded = seeds.handled.get(consumer, set())
        if seeded:
            missing, _, _ = _unprocessed(ask, consumer, [(id, type_name) for id, type_name in seeded])
            found[consumer] |= {pair for pair in seeded if pair[0] not in missing}
    return found


def _committed(ask: Ask, service: str, span: Span | None, seeds: Seeds) -> Iterator[Committed]:
    if span:
        begin, end = span
        since = _events(ask, service, since=begin)  # oldest first
        yield from itertools.takewhile(lambda event: end is None or event.recorded_at < end, since)
    for ids in _chunks(seeds.events.get(service, ())):
        yield from _events(ask, service, ids=ids)
    for subjects in _chunks(seeds.subjects.get(service, ())):
        yield from _events(ask, service, subjects=subjects)


def _earlier(ask: Ask, seen: Snapshot, service: str) -> Iterator[Committed]:
    """What was announced before of the aggregates whose first version is not among what was seen: for their gaps."""
    in_full = {name_of(type_name) for group in seen.states[service]["announced_in_full"] for type_name in group}
    first: dict[str, int] = {}
    for event in seen.committed.values():
        if event.producer == service and name_of(event.type) in in_full:
            first[event.subject] = min(event.sequence, first.get(event.subject, event.sequence))
    for subjects in _chunks([subject for subject, sequence in first.items() if sequence > 1]):
        yield from _events(ask, service, subjects=subjects)


def _waiting(ask: Ask, seen: Snapshot, consumer: str) -> Waiting:
    """What the consumer made of everything that went out to it long enough ago."""
    consumed = set(seen.states[consumer]["consumes"])
    due = [e for e in seen.committed.values() if e.type in consumed and _is_due(e, seen)]
    waiting = Waiting(asked={event.id for event in due})
    waiting.states, waiting.edited, answers = _unprocessed(ask, consumer, [(event.id, event.type) for event in due])
    for answer in answers:
        waiting.queues |= answer["queues"]
        waiting.retrying = max(waiting.retrying, answer["retrying"])
    return waiting


def _is_due(event: Committed, seen: Snapshot) -> bool:
    return event.published_at is not None and seen.now - event.published_at >= seen.grace


def _unprocessed(
    ask: Ask, consumer: str, events: list[tuple[str, str]]
) -> tuple[dict[str, str], set[str], list[dict[str, Any]]]:
    """States by event id of what was not handled, which of it was edited, and the answers."""
    states: dict[str, str] = {}
    edited: set[str] = set()
    answers = []
    for chunk in _chunks(events):
        by_type: dict[str, list[str]] = {}
        for id, type_name in chunk:
            by_type.setdefault(type_name, []).append(id)
        answers.append(ask(consumer, "list_unprocessed_events", events=by_type))
        states |= {item["id"]: item["state"] for item in answers[-1]["items"]}
        edited |= {item["id"] for item in answers[-1]["items"] if item.get("edited")}
    return states, edited, answers


def _unknown(ask: Ask, seen: Snapshot, handled: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """What was handled and is in the outbox of no producer that it may be from."""
    left: dict[str, dict[str, str]] = {}
    for id, type_name in handled:
        if id not in seen.committed and producer_of(type_name) in SERVICES:
            left.setdefault(producer_of(type_name), {})[id] = type_name
    asked = ((producer, ids) for producer, types in left.items() for ids in _chunks(types))
    known = {event.id for producer, ids in asked for event in _events(ask, producer, ids=ids)}
    return sorted({id: name for types in left.values() for id, name in types.items() if id not in known}.items())


def _add_facts(ask: Ask, seen: Snapshot, audits: Iterable[str]) -> None:
    subjects: dict[str, set[str]] = {}
    for event in seen.committed.values():
        subjects.setdefault(name_of(event.type), set()).add(event.subject)
    wanted = {*audits, *subjects.get(AUDIT_ACCEPTED, ()), *subjects.get(REFUSED, ()), *subjects.get(HELD, ())}
    issued = _facts(ask, CERTIFICATION, "certificates", subjects.get(ISSUED, ()))
    wanted |= {fact["audit_id"] for fact in issued}
    # What is downstream is asked for first: its cause was there before.
    seen.cases = {fact["audit_id"]: fact for fact in _facts(ask, CERTIFICATION, "cases", wanted)}
    seen.audits = {fact["audit_id"]: fact for fact in _facts(ask, ASSESSMENT, "audits", wanted)}
    told = [event.id for event in seen.committed.values() if name_of(event.type) in TOLD]
    seen.announcements = {fact["event"]: fact for fact in _facts(ask, NOTIFICATION, "announcements", told)}


def _facts(ask: Ask, service: str, name: str, keys: Iterable[str]) -> list[dict[str, Any]]:
    return [f for chunk in _chunks(keys) for f in ask(service, "list_facts", name=name, keys=chunk)["items"]]


def _events(ask: Ask, service: str, **named: Any) -> Iterator[Committed]:
    return map(_event, _pages(ask, service, "find_events", **named))


def _pages(ask: Ask, service: str, method: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    each = functools.partial(ask, service, method, limit=PAGE)
    return (item for page in pages(each, **arguments) for item in page["items"])


def _chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    listed = sorted(items)
    return (listed[start : start + PAGE] for start in range(0, len(listed), PAGE))


def _event(row: Mapping[str, Any]) -> Committed:
    published_at = None if row["pending"] else row["published_at"]
    return Committed(
        id=row["id"],
        type=row["type"],
        subject=row["subject"],
        sequence=row["sequence"],
        recorded_at=datetime.datetime.fromisoformat(row["recorded_at"]),
        published_at=datetime.datetime.fromisoformat(published_at) if published_at else None,
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
