"""Asks every service for its books, page by page: what happened since a moment, and what was found to differ before."""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from touchstone.reconciliation.books import Committed, Look, Waiting, name_of, producer_of
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

SERVICES = ("membership", ASSESSMENT, CERTIFICATION, NOTIFICATION)
PAGE = 1000
KEYS = 500
UNKNOWN = "event_unknown_upstream"

Ask = Callable[..., Any]
"""Calls a method: `ask(service, method, **arguments)`."""
Span = tuple[datetime.datetime, datetime.datetime | None]
"""From when on, and until when (None: until now)."""


@dataclasses.dataclass
class Seeds:
    """What is looked at beside what happened lately: ids out of differences that are open."""

    events: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    subjects: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    audits: set[str] = dataclasses.field(default_factory=set)
    handled: dict[str, set[tuple[str, str]]] = dataclasses.field(default_factory=dict)
    """By consumer, events (id, type) whose producer did not know them."""

    def add(self, service: str, kind: str, about: Mapping[str, str]) -> None:
        """Have the subject of a difference that concerns `service` looked at again."""
        if kind == UNKNOWN:
            self.handled.setdefault(service, set()).add((about["event"], about["type"]))
        elif "event" in about:
            self.events.setdefault(about["producer"], set()).add(about["event"])
        elif "subject" in about:
            self.subjects.setdefault(about["producer"], set()).add(about["subject"])
        if "audit" in about:
            self.audits.add(about["audit"])
            self.subjects.setdefault(ASSESSMENT, set()).add(about["audit"])


def look(ask: Ask, *, span: Span | None, seeds: Seeds, opened: bool, overdue_s: int, grace: datetime.timedelta) -> Look:
    """Everything that happened in the span (nothing for None), with what the seeds name, in all services.

    With `opened`, the open differences of the services are looked at too. Raises what `ask` raises.
    """
    seen = Look(now=_now(), grace=grace)
    seen.states = {service: _state(ask, service, overdue_s) for service in SERVICES}
    if opened:
        for service, state in seen.states.items():
            for difference in [*state["differences"], *state["accepted"]]:
                seeds.add(service, difference["kind"], difference["about"])
    handled = _handled(ask, seen, span, seeds)  # first: what is handled was committed before
    for service in SERVICES:
        for row in _committed(ask, service, span, seeds):
            seen.committed[row["id"]] = _event(row)
        for row in _earlier(ask, seen, service):
            seen.committed[row["id"]] = _event(row)
    for consumer, state in seen.states.items():
        if state["consumes"]:
            seen.waiting[consumer] = _waiting(ask, seen, consumer)
            seen.unknown[consumer] = _unknown(ask, seen, handled[consumer])
    _add_facts(ask, seen, seeds.audits)
    return seen


def _state(ask: Ask, service: str, overdue_s: int) -> dict[str, Any]:
    """What the service says of itself, with all its differences: the first of them come with the rest."""
    state: dict[str, Any] = ask(service, "get_reconciliation_state", overdue_s=overdue_s)
    for name, of_state in (("differences", "open"), ("accepted", "accepted")):
        after, found = state.get(f"{name}_next"), list(state.get(name, ()))
        while after:
            page = ask(service, "list_differences", state=of_state, limit=PAGE, after=after)
            found += page["items"]
            after = page["next"]
        state[name] = found
    return state


def _handled(ask: Ask, seen: Look, span: Span | None, seeds: Seeds) -> dict[str, set[tuple[str, str]]]:
    """By consumer, what it handled lately, and what of the seeds it still knows."""
    found: dict[str, set[tuple[str, str]]] = {}
    for consumer, state in seen.states.items():
        rows = _pages(ask, consumer, "list_processed_events", span) if span and state["consumes"] else ()
        found[consumer] = {(row["id"], row["type"]) for row in rows}
        seeded = seeds.handled.get(consumer, set())
        if seeded:
            missing, _, _ = _unprocessed(ask, consumer, [(id, type_name) for id, type_name in seeded])
            found[consumer] |= {pair for pair in seeded if pair[0] not in missing}
    return found


def _committed(ask: Ask, service: str, span: Span | None, seeds: Seeds) -> Iterator[dict[str, Any]]:
    if span:
        yield from _pages(ask, service, "list_committed_events", span)
    for ids in _chunks(seeds.events.get(service, ()), PAGE):
        yield from ask(service, "list_committed_events", ids=ids)["items"]
    for subjects in _chunks(seeds.subjects.get(service, ()), KEYS):
        yield from ask(service, "list_committed_events", subjects=subjects)["items"]


def _earlier(ask: Ask, seen: Look, service: str) -> Iterator[dict[str, Any]]:
    """What was announced before of the aggregates whose first version is not among what was seen: for their gaps."""
    in_full = {name_of(type_name) for group in seen.states[service]["announced_in_full"] for type_name in group}
    first: dict[str, int] = {}
    for event in seen.committed.values():
        if event.producer == service and name_of(event.type) in in_full:
            first[event.subject] = min(event.sequence, first.get(event.subject, event.sequence))
    for subjects in _chunks([subject for subject, sequence in first.items() if sequence > 1], KEYS):
        yield from ask(service, "list_committed_events", subjects=subjects)["items"]


def _waiting(ask: Ask, seen: Look, consumer: str) -> Waiting:
    """What the consumer made of everything that went out to it long enough ago."""
    consumed = set(seen.states[consumer]["consumes"])
    due = [e for e in seen.committed.values() if e.type in consumed and _is_due(e, seen)]
    waiting = Waiting(asked={event.id for event in due})
    waiting.states, waiting.edited, answers = _unprocessed(ask, consumer, [(event.id, event.type) for event in due])
    for answer in answers:
        waiting.queues |= answer["queues"]
        waiting.retrying = max(waiting.retrying, answer["retrying"])
    return waiting


def _is_due(event: Committed, seen: Look) -> bool:
    return event.published_at is not None and seen.now - event.published_at >= seen.grace


def _unprocessed(
    ask: Ask, consumer: str, events: list[tuple[str, str]]
) -> tuple[dict[str, str], set[str], list[dict[str, Any]]]:
    """States by event id of what was not handled, which of it was edited, and the answers."""
    states: dict[str, str] = {}
    edited: set[str] = set()
    answers = []
    for chunk in _chunks(events, PAGE):
        by_type: dict[str, list[str]] = {}
        for id, type_name in chunk:
            by_type.setdefault(type_name, []).append(id)
        answers.append(ask(consumer, "list_unprocessed_events", events=by_type))
        states |= {item["id"]: item["state"] for item in answers[-1]["items"]}
        edited |= {item["id"] for item in answers[-1]["items"] if item.get("edited")}
    return states, edited, answers


def _unknown(ask: Ask, seen: Look, handled: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """What was handled and is not in its producer's outbox."""
    left: dict[str, dict[str, str]] = {}
    for id, type_name in handled:
        if id not in seen.committed and producer_of(type_name) in SERVICES:
            left.setdefault(producer_of(type_name), {})[id] = type_name
    unknown = []
    for producer, types in left.items():
        for ids in _chunks(types, PAGE):
            known = {row["id"] for row in ask(producer, "list_committed_events", ids=ids)["items"]}
            unknown += [(id, types[id]) for id in ids if id not in known]
    return sorted(unknown)


def _add_facts(ask: Ask, seen: Look, audits: Iterable[str]) -> None:
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
    return [f for chunk in _chunks(keys, KEYS) for f in ask(service, "list_facts", name=name, keys=chunk)["items"]]


def _pages(ask: Ask, service: str, method: str, span: Span) -> Iterator[dict[str, Any]]:
    after: str | None = None
    while True:
        page = ask(service, method, since=span[0], until=span[1], limit=PAGE, **({"after": after} if after else {}))
        yield from page["items"]
        if page["next"] is None or page["next"] == after:
            return
        after = page["next"]


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    listed = sorted(items)
    return (listed[start : start + size] for start in range(0, len(listed), size))


def _event(row: Mapping[str, Any]) -> Committed:
    return Committed(
        id=row["id"],
        type=row["type"],
        subject=row["subject"],
        sequence=row["sequence"],
        recorded_at=datetime.datetime.fromisoformat(row["recorded_at"]),
        published_at=datetime.datetime.fromisoformat(row["published_at"]) if row["published_at"] else None,
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
