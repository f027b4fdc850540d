"""Reads what a service announced: what waits in the outbox and what is in the event log, as one."""

from collections.abc import Mapping, Sequence
from typing import Any

from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import EVENTS, OUTBOX

OURS = {"properties": {"$exists": False}}
"""A replay, and the copy of an event in an older version, has properties of its own: it is no event beside it."""


def find_events(
    unit: UnitOfWork,
    filter: Mapping[str, Any],
    *,
    sort: Sequence[tuple[str, int]] = (),
    limit: int = 0,
    projection: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """Events that match, each once; `projection` must hold the fields of `sort`.

    `pending` says whether one waits for the broker: one that goes out once more does, whatever the log has of it.
    """
    asked: dict[str, Any] = {"sort": list(sort) or None, "limit": limit, "projection": projection}
    # In this order: an event leaves the outbox in the commit that puts it into the log.
    waiting = unit.find(OUTBOX, {**filter, **OURS}, **asked)
    found = {event["_id"]: {"pending": False, **event} for event in unit.find(EVENTS, filter, **asked)}
    found |= {row["_id"]: row for row in waiting}
    events = list(found.values())
    for field, direction in reversed(sort):
        events.sort(key=lambda event: event[field], reverse=direction < 0)
    return events[: limit or None]
