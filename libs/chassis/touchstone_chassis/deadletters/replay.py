"""What an operator may do with a kept dead letter: replay it, edit it, discard it; no I/O."""

import dataclasses
import datetime
from typing import Any

import orjson
from marshmallow import ValidationError

from touchstone_chassis.amqp.publisher import Outgoing, is_sendable
from touchstone_chassis.auth.signatures import FORGED, UNSIGNED
from touchstone_chassis.consuming.decoding import BadMessage, json_object
from touchstone_chassis.deadletters.letter import (
    DISCARDED,
    KEPT_AS,
    PARKED,
    REPLAYED,
    REPLAYS,
    action,
    digest,
    envelope_facts,
    is_event_queue,
    is_personal,
    json_of,
)
from touchstone_chassis.deadletters.status import replay_row
from touchstone_chassis.observability.redaction import unmasked
from touchstone_chassis.unit_of_work.outbox_rows import message_row
from touchstone_chassis.unit_of_work.transaction import SURE_FOR
from touchstone_contracts.envelope import amqp_properties, unwrap
from touchstone_contracts.errors import FieldError, IllegalTransition, InvalidRequest
from touchstone_contracts.field_errors import field_errors
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.topology import event_queue

REPLAYS_MAX = 5
HISTORY_KEPT = datetime.timedelta(days=365)
"""How long a dead letter stays in the database after it was replayed or discarded."""
_NO_EVENT = "The new body is no event of the type that its queue is for."

Obstacle = tuple[str, str]
"""Why something cannot be done: a code and a sentence."""


def current_body(document: dict[str, Any]) -> bytes | None:
    """What a replay sends: the body as it was edited, or as it came. None when it was removed or is in parts."""
    if document["edited_body"] is not None:
        return bytes(document["edited_body"])
    return None if document["body"] is None or document["parts"] > 1 else bytes(document["body"])


def obstacle_to_replay(
    document: dict[str, Any], service: str, now: datetime.datetime, *, consumed: bool, body_bytes_max: int, force: bool
) -> Obstacle | None:
    """Why it cannot be replayed, or None. `force` overrides the number of replays and the age."""
    if document["state"] != PARKED:
        return "not_parked", f"It is {document['state']}."
    obstacle = obstacle_of_queue(document["queue"] or "", service, consumed=consumed)
    if obstacle is not None:
        return obstacle
    body = current_body(document)
    if body is None or len(body) > body_bytes_max:
        return "too_large", f"The service takes {body_bytes_max} bytes at most: edit it."
    if not is_sendable(_outgoing(document, body)):
        return "unsendable", "Its properties cannot be written as an AMQP message: edit it."
    if not force and document["replays"] >= REPLAYS_MAX:
        return "limit_reached", f"It was replayed {document['replays']} times: mend the cause first, or force it."
    if not force and now - document["first_parked_at"] > SURE_FOR:
        return "too_old", "The inbox may not know any more whether it took effect: look, then force it or discard it."
    return None


def obstacle_of_queue(queue: str, service: str, *, consumed: bool) -> Obstacle | None:
    """Why nothing that came from that queue can be replayed, whatever is done with it; or None."""
    type_name = queue.removeprefix(f"{service}.")
    if type_name not in REGISTRY and is_event_queue(service, queue):  # a newer release was here, or this one is newer
        return "unknown_version", f"This release does not know {type_name}: one that does can replay it."
    if type_name not in REGISTRY:
        return "not_an_event", "Only events are replayed: a call or a submission is made again by who made it."
    if not consumed:
        return "not_consumed", f"The service does not consume {queue} any more."
    return None


def replayed(
    document: dict[str, Any], due: datetime.datetime, *, who: str, why: str, now: datetime.datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document as replayed, and the outbox row that sends its message to its queue from `due` on."""
    body = current_body(document)
    assert body is not None
    count = document["replays"] + 1
    sent = document | {"replays": count, "replay_due": due}
    outgoing = _outgoing(sent, body)
    row = message_row(
        replay_row(sent), document["queue"], body, properties=outgoing.properties, headers=outgoing.headers, due=due
    )
    if document["edited_body"] is not None:
        row["signature"] = None  # ours, for what we did not get from its producer
    return _done(sent, REPLAYED, action(REPLAYED, now, who=who, why=why, what=f"replay {count}"), now), row


def discarded(document: dict[str, Any], *, who: str, why: str, now: datetime.datetime) -> dict[str, Any]:
    """Done with: whoever compares counts what it holds as handled."""
    return _done(document, DISCARDED, action(DISCARDED, now, who=who, why=why), now) | {"counted": False}


def _done(document: dict[str, Any], state: str, entry: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    done = document | {"state": state, "actions": [*document["actions"], entry], "expires_at": now + HISTORY_KEPT}
    if document["personal"]:  # contact addresses stay no longer than they are needed
        done |= {"body": None, "edited_body": None}
    return done


def edited(
    document: dict[str, Any], text: str, service: str, *, who: str, why: str, now: datetime.datetime
) -> dict[str, Any]:
    """The document with a new body beside the old one. Raises IllegalTransition, or InvalidRequest with what is wrong.

    The new body is an event of the type that the queue is for, with the id that the message had. It will go out with
    an event's properties and without the old headers: those may be what was wrong.
    """
    if document["state"] != PARKED:
        raise IllegalTransition(f"{document['_id']} is {document['state']}; only what is parked can be edited.")
    if document["reason"] in (UNSIGNED, FORGED):
        raise IllegalTransition("Nobody vouches for it: discard it; if it is true, its producer can announce it again.")
    try:
        new = json_object(text.encode())
    except BadMessage as bad:
        errors = [dataclasses.replace(fault, path=f"body.{fault.path}") for fault in bad.faults]
        raise InvalidRequest(_NO_EVENT, errors or [FieldError("body", bad.reason, str(bad))]) from None
    old = current_body(document)
    new = unmasked(new, json_of(old) if old is not None else {})
    event_type = _checked(document, new, service)
    body = orjson.dumps(new)
    queue = document["queue"] or event_queue(service, event_type)
    return document | {
        "edited_body": body,
        "current_digest": digest(body),
        "queue": queue,
        "message_id": new["id"],
        "event_type": event_type,
        "event_id": new["id"],
        "correlation_id": envelope_facts(body).get("correlationid"),
        "personal": is_personal(service, queue, event_type),
        "actions": [*document["actions"], action("edited", now, who=who, why=why, what=f"sha256 {digest(body)}")],
    }


def _checked(document: dict[str, Any], new: dict[str, Any], service: str) -> str:
    queue_type = (document["queue"] or "").removeprefix(f"{service}.")
    if document["queue"] and queue_type not in REGISTRY:
        raise IllegalTransition("Only events are edited: a call or a submission is made again by who made it.")
    try:
        envelope, _ = unwrap(new, expected=REGISTRY.get(queue_type) if document["queue"] else None)
    except ValidationError as error:
        errors = field_errors({"body": error.normalized_messages()})
        raise InvalidRequest(_NO_EVENT, errors) from None
    id = document["event_id"] or document["message_id"]
    if id and envelope.id != id:
        fault = FieldError("body.id", "changed", f"The event's id must stay {id}.")
        raise InvalidRequest("The new body is another event.", [fault])
    return envelope.type


def _outgoing(document: dict[str, Any], body: bytes) -> Outgoing:
    ours = {REPLAYS: document["replays"], KEPT_AS: document["_id"]}
    if document["edited_body"] is None:
        return Outgoing(
            "", document["queue"] or "", body, document["_id"], document["properties"], document["headers"] | ours
        )
    properties = amqp_properties(
        id=document["message_id"], type=document["event_type"], correlation_id=document["correlation_id"] or ""
    )
    return Outgoing("", document["queue"], body, document["_id"], properties, ours)
