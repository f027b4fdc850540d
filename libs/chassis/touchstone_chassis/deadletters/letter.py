"""What is kept of a message that was dead-lettered: read from our headers, else from the broker's."""

import dataclasses
import datetime
import decimal
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from touchstone_chassis.consuming.retry import ATTEMPT, COPIES_TO, NOT_UNDERSTOOD, TOKENS
from touchstone_contracts.envelope import SIGNATURE
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.topology import is_retry_queue

READ_BYTES_MAX = 1024 * 1024
PART_BYTES = 4 * 1024 * 1024
"""A larger body is kept in parts beside its document: a document of MongoDB's holds 16 MiB in all."""
PARKED, REPLAYED, DISCARDED = STATES = ("parked", "replayed", "discarded")
REPLAYS, KEPT_AS = "touchstone-replays", "touchstone-dead-letter"
BEGINNING_BYTES = 16 * 1024
OUTSIDERS_KEPT = datetime.timedelta(days=30)
QUEUE_GONE = "queue_gone"
"""The reason where a message's queue was not there when its retry was due."""
_EVENT = re.compile(r"[a-z_]+\.[a-z_]+\.v[0-9]+")
_KEYS_MAX = 20
_OURS = ("touchstone-", "x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")


@dataclasses.dataclass(frozen=True)
class DeadLetter:
    """A message as it came out of the dead-letter queue. `unreadable`: its properties, where no library reads them.

    `too_large`: no handler could have read its body, so that the service left it to the broker to move it.
    """

    body: bytes
    headers: dict[str, Any]
    properties: dict[str, Any]
    unreadable: bytes | None = None
    too_large: bool = False

    @functools.cached_property
    def digest(self) -> str:
        return digest(self.body)

    @property
    def parking_key(self) -> str:
        """The same for each delivery of one dead letter, and for no other."""
        tag = self.headers.get("touchstone-tag")
        if isinstance(tag, str) and tag and "touchstone-reason" in self.headers:
            return tag
        return _hashed(repr(self.headers.get("x-death")), repr(self.unreadable), self.digest)

    @property
    def message_id(self) -> str | None:
        return _text(self.properties.get("message_id"))


@dataclasses.dataclass(frozen=True)
class _Origin:
    queue: str | None
    reason: str
    error: str
    exchange: str
    routing_key: str
    parked_at: datetime.datetime


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def document_id(found: DeadLetter, queue: str | None) -> str:
    """The id under which a message is kept: the same one when it comes again, as long as it has an id itself."""
    return _hashed(queue or "", found.message_id or f"parking {found.parking_key}", found.digest)


def queue_of(found: DeadLetter) -> str | None:
    """The queue that the message was dead-lettered from, if that can be told."""
    return _origin(found, datetime.datetime.now(datetime.UTC)).queue


def reason_of(found: DeadLetter) -> str:
    """Why it was dead-lettered: a code of ours, or the broker's word."""
    return _origin(found, datetime.datetime.now(datetime.UTC)).reason


def is_event_queue(service: str, queue: str) -> bool:
    return bool(_EVENT.fullmatch(queue.removeprefix(f"{service}.")))


def is_outsiders(found: DeadLetter, service: str) -> bool:
    """Whether anybody at all may have sent it, to a queue of commands, and nobody here can ever carry it out: of such
    only the beginning is kept, for a while. An event is somebody's promise: all of it is kept, until it is discarded.
    """
    queue, not_understood = queue_of(found), found.headers.get(NOT_UNDERSTOOD) is True or found.too_large
    return queue is not None and not_understood and not is_event_queue(service, queue)


def new_document(found: DeadLetter, service: str, now: datetime.datetime) -> dict[str, Any]:
    """The document of a message that is kept for the first time, body aside (see `split`)."""
    origin, event = _origin(found, now), envelope_facts(found.body)
    event_type = event.get("type") or _text(found.properties.get("type"))
    return {
        "_id": document_id(found, origin.queue),
        "version": 0,
        "queue": origin.queue,
        "message_id": found.message_id,
        "event_type": event_type,
        "event_id": event.get("id"),
        "correlation_id": event.get("correlationid") or _text(found.properties.get("correlation_id")),
        "personal": is_personal(service, origin.queue, event_type),
        "digest": found.digest,
        "size": len(found.body),
        "edited_body": None,
        "headers": {name: value for name, value in storable(found.headers).items() if _is_theirs(name)},
        "properties": storable(found.properties),
        "unreadable": found.unreadable,
        "user_id": _text(found.headers.get("touchstone-user-id")),
        "exchange": origin.exchange,
        "routing_key": origin.routing_key,
        "first_parked_at": origin.parked_at,
        "times": 0,
        "replays": 0,
        "keys": [],
        "actions": [],
    } | _parking(found, origin)


def parked_again(document: dict[str, Any], found: DeadLetter, now: datetime.datetime) -> dict[str, Any]:
    """The document when its message has come (again). The body is what it was, or what it was edited to."""
    origin = _origin(found, now)
    again = document | _parking(found, origin)
    again["times"] = document["times"] + 1
    again["keys"] = [*document["keys"], found.parking_key][-_KEYS_MAX:]
    again["actions"] = [*document["actions"], action("parked", now, why=origin.reason, what=origin.error)]
    again.pop("expires_at", None)
    return again


def action(done: str, now: datetime.datetime, *, who: str = "", why: str = "", what: str = "") -> dict[str, Any]:
    """One entry of a document's history; nobody (`who` is empty) stands for the service itself."""
    return {"at": now, "action": done, "who": who, "why": why, "what": what}


def _parking(found: DeadLetter, origin: _Origin) -> dict[str, Any]:
    attempts = found.headers.get(ATTEMPT)
    return {
        "state": PARKED,
        "reason": origin.reason,
        "error": origin.error,
        "parked_at": origin.parked_at,
        "attempts": attempts if isinstance(attempts, int) and not isinstance(attempts, bool) else 0,
    }


def _origin(found: DeadLetter, now: datetime.datetime) -> _Origin:
    headers = found.headers
    if "touchstone-reason" in headers:
        return _Origin(
            queue=_text(headers.get("touchstone-consumer")),
            reason=_text(headers["touchstone-reason"]) or "unknown",
            error=_text(headers.get("touchstone-error")) or "",
            exchange=_text(headers.get("touchstone-exchange")) or "",
            routing_key=_text(headers.get("touchstone-routing-key")) or "",
            parked_at=_time(headers.get("touchstone-parked-at"), now),
        )
    deaths = headers.get("x-death")
    death = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], Mapping) else {}
    routing_keys = death.get("routing-keys")
    routing_key = _text(routing_keys[0]) or "" if isinstance(routing_keys, list) and routing_keys else ""
    queue = _text(headers.get("x-last-death-queue")) or _text(death.get("queue"))
    reason = _text(headers.get("x-last-death-reason")) or _text(death.get("reason")) or "unreadable"
    if is_retry_queue(queue or ""):
        queue, reason = routing_key or None, QUEUE_GONE
    elif found.too_large and reason == "rejected":
        reason = "too_large"
    return _Origin(
        queue=queue,
        reason=reason,
        error="dead-lettered by the broker",
        exchange=_text(death.get("exchange")) or "",
        routing_key=routing_key,
        parked_at=_time(death.get("time"), now),
    )


def _time(value: Any, now: datetime.datetime) -> datetime.datetime:
    """`value` as an aware time, to the millisecond as the database has it; now where it is none, or is yet to come."""
    try:
        read = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        read = now
    read = min(read.replace(tzinfo=datetime.UTC) if read.tzinfo is None else read, now)
    return read.replace(microsecond=read.microsecond // 1000 * 1000)


def _is_theirs(name: str) -> bool:
    return name == SIGNATURE or (not name.startswith(_OURS) and name.lower() not in (*TOKENS, *COPIES_TO))


def envelope_facts(body: bytes) -> dict[str, str]:
    """`id`, `type` and `correlationid` of an event, as far as they can be read. Much JSON in memory is too much."""
    content = json_of(body) if len(body) <= READ_BYTES_MAX else {}
    named = {name: _text(content.get(name)) for name in ("id", "type", "correlationid")}
    return {name: value for name, value in named.items() if value}


def json_of(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; an empty one where there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def is_personal(service: str, queue: str | None, event_type: str | None) -> bool:
    """Whether the body may hold contact addresses, by what it says it is or by the queue that it came from.

    Of an event that is personal in any version, also one that only a newer release knows is taken for personal.
    """
    names = {_without_version(event_type or ""), _without_version((queue or "").removeprefix(f"{service}."))}
    return any(getattr(e, "personal", False) and _without_version(name) in names for name, e in REGISTRY.items())


def _without_version(type_name: str) -> str:
    return type_name.rpartition(".v")[0]


def split(body: bytes) -> list[bytes]:
    """The body in parts that the database takes; the first belongs into the document."""
    return [body[start : start + PART_BYTES] for start in range(0, max(len(body), 1), PART_BYTES)]


def storable(value: Any, depth: int = 0) -> Any:
    """`value` (of an AMQP header, say) as the database can keep it: text for what it has no type for."""
    if isinstance(value, Mapping) and depth < 20:
        named = {str(key).replace("\0", "").encode(errors="replace").decode(): inner for key, inner in value.items()}
        return {name: storable(inner, depth + 1) for name, inner in named.items()}
    if isinstance(value, (list, tuple)) and depth < 20:
        return [storable(inner, depth + 1) for inner in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if value is None or isinstance(value, (bool, float, datetime.datetime)):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    text = value if isinstance(value, (str, int, decimal.Decimal)) else repr(value)[:1000]
    return str(text).encode(errors="replace").decode()


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if not isinstance(value, str) or not value:
        return None
    return value.replace("\0", "").encode(errors="replace").decode()[:1000] or None


def _hashed(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:24]
