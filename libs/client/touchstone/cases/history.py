"""Gathers what all services know of one case's events: what led to what, who processed it when, what was given up."""

import dataclasses
import datetime
from collections.abc import Iterable
from typing import Any

from touchstone.cases.causes import Event
from touchstone.rpc.fan_out import IDS_AT_ONCE, SERVICES, Follower

STEPS_MAX = 50
"""A case is a handful of steps deep; deeper than this it is not followed."""


@dataclasses.dataclass
class CaseTrail:
    """`processed` and `parked` are by event id; `consumers` names the services that handle an event type.

    `silent` says which services did not answer, and why.
    """

    case: str
    events: dict[str, Event] = dataclasses.field(default_factory=dict)
    processed: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    parked: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    consumers: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    silent: dict[str, str] = dataclasses.field(default_factory=dict)


def gather(follower: Follower, case: str, subjects: Iterable[str]) -> CaseTrail:
    """Everything that became of the audit `case`: the events about `subjects`, what they led to and what led to them.

    `subjects` are ids of the case's aggregates: audit, case, certificate, notices.
    """
    trail = CaseTrail(case)
    own = _with_subjects(follower, case, sorted({case, *subjects}))
    frontier = list(own)
    for _step in range(STEPS_MAX):
        trail.events |= {event.id: event for event in frontier}
        # What belongs to another case is shown as led to, and is not followed any further.
        ids = [event.id for event in frontier if not event.foreign]
        frontier = [event for event in _caused_by(follower, case, ids) if event.id not in trail.events]
        if not frontier:
            break
    trail.events |= {event.id: event for event in _causes(follower, trail.events)}
    _follow(follower, trail)
    trail.silent = dict(follower.silent)
    return trail


def _with_subjects(follower: Follower, case: str, subjects: list[str]) -> list[Event]:
    found = []
    for part in _parts(subjects):
        for service in SERVICES:
            items = follower.every(service, "find_events", subjects=part)
            found += [_event(service, item, foreign=False) for item in items]
    return found


def _caused_by(follower: Follower, case: str, ids: list[str]) -> list[Event]:
    found = []
    for part in _parts(ids):
        for service in SERVICES:
            for item in follower.every(service, "find_events", caused_by=part):
                found.append(_event(service, item, foreign=item["facts"].get("audit_id", case) != case))
    return found


def _causes(follower: Follower, events: dict[str, Event]) -> list[Event]:
    """The events outside the case that led to one in it, such as the activation of its member."""
    causes = {event.cause for event in events.values() if event.cause and "/" not in event.cause}
    found = []
    for part in _parts(sorted(causes - events.keys())):
        for service in SERVICES:
            items = follower.every(service, "find_events", ids=part)
            found += [_event(service, item, foreign=True) for item in items]
    return found


def _follow(follower: Follower, trail: CaseTrail) -> None:
    """When each of the case's own events was processed, and what was given up of them."""
    ids = sorted(event.id for event in trail.events.values() if not event.foreign)
    for service in SERVICES:
        found = follower.trace(service, ids)
        for name in found["consumes"]:
            trail.consumers.setdefault(name, []).append(service)
        for row in found["processed"]:
            trail.processed.setdefault(row["event_id"], []).append({"service": service, **row})
        for row in found["dead_letters"]:
            trail.parked.setdefault(row["event_id"], []).append({"service": service, **row})


def _event(service: str, item: dict[str, Any], *, foreign: bool) -> Event:
    return Event(
        id=item["id"],
        service=service,
        type=item["type"],
        at=moment(item["recorded_at"]),
        cause=item["causation_id"],
        subject=item["subject"] or "",
        published_at=moment(item["published_at"]) if item["published_at"] else None,
        trigger=item["trigger"] or "",
        by=item["by"] or "",
        attempts=item["attempts"],
        last_outcome=item["last_outcome"],
        foreign=foreign,
        facts=item["facts"],
    )


def moment(text: str) -> datetime.datetime:
    """A time of an answer; always with an offset."""
    return datetime.datetime.fromisoformat(text)


def _parts(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)]
