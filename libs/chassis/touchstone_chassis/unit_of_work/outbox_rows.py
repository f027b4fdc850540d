"""The rows of the outbox: of an event, of its older versions, and of a message that is no event of ours."""

import datetime
from typing import Any

import orjson

from touchstone_chassis.unit_of_work.unit import Emitted, Origin
from touchstone_contracts.envelope import amqp_properties, wrap
from touchstone_contracts.topology import events_exchange
from touchstone_contracts.versions import older_copies

RELAY_GRACE = datetime.timedelta(seconds=5)
"""How long the committing process has for publishing a row before a sweep takes it."""


def event_rows(
    emitted: Emitted, origin: Origin, *, time: datetime.datetime, now: datetime.datetime
) -> list[dict[str, Any]]:
    """The event's row, and one for each older version in which it is still published: one id, counted once.

    `time` is the domain's, when it happened; `now` that by which replicas agree.
    """
    row = _event_row(emitted, emitted.event, origin, time, now)
    return [row, *(_copy(_event_row(emitted, older, origin, time, now)) for older in older_copies(emitted.event))]


def _event_row(
    emitted: Emitted, event: Any, origin: Origin, time: datetime.datetime, now: datetime.datetime
) -> dict[str, Any]:
    message = wrap(
        event,
        id=emitted.id,
        time=time,
        sequence=emitted.sequence,
        correlation_id=origin.correlation_id,
        causation_id=origin.causation_id,
        traceparent=origin.traceparent,
    )
    return {
        "_id": emitted.id,
        "exchange": events_exchange(event.producer),
        "routing_key": event.routing_key,
        "type": event.type_name,
        "subject": message["subject"],
        "sequence": emitted.sequence,
        "correlation_id": origin.correlation_id,
        "causation_id": origin.causation_id,
        "trigger": origin.trigger,
        "by": origin.by,
        "body": orjson.dumps(message),
        "signature": None,
        "personal": event.personal,
        "pending": True,
        "attempts": 0,
        "recorded_at": now,
        "next_attempt_at": now + RELAY_GRACE,
    }


def sent_again(row: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    """A published row as it goes out once more, under its id: its consumers know whether it took effect."""
    kept = {name: value for name, value in row.items() if name not in ("published_at", "expires_at")}
    again = {"pending": True, "attempts": 0, "waits_since": now, "next_attempt_at": now + RELAY_GRACE}
    return kept | again | {"signature": None}  # made anew: the key may be another by now


def _copy(row: dict[str, Any]) -> dict[str, Any]:
    """The row of an event in an older version: with an id of its own, and the properties that name the event's id.

    It leaves the outbox once it is published, and the log keeps the event itself.
    """
    properties = amqp_properties(id=row["_id"], type=row["type"], correlation_id=row["correlation_id"])
    return row | {"_id": f"{row['_id']}/{row['type']}", "properties": properties, "headers": {}}


def message_row(
    id: str, queue: str, body: bytes, *, properties: dict[str, Any], headers: dict[str, Any], due: datetime.datetime
) -> dict[str, Any]:
    """An outbox row for a message to one queue, with properties and headers of its own, to go out from `due` on."""
    return {
        "_id": id,
        "exchange": "",
        "routing_key": queue,
        "type": str(properties.get("type") or ""),
        "body": body,
        "properties": properties,
        "headers": headers,
        "personal": False,
        "pending": True,
        "attempts": 0,
        "recorded_at": due,
        "next_attempt_at": due + RELAY_GRACE,
    }
