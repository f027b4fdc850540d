"""The CloudEvents 1.0 envelope in which every event travels (structured mode, JSON)."""

import dataclasses
import datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate

from touchstone_contracts.codec import loading
from touchstone_contracts.moments import Moment
from touchstone_contracts.registry import REGISTRY

CONTENT_TYPE = "application/cloudevents+json"
SIGNATURE = "touchstone-signature"
"""The header in which an event's signature travels: a compact JWS over the digests of what was signed together."""
BACKFILL = "touchstone-backfill"
"""The header of an event out of its producer's log, sent to one consumer: by which run it came."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Envelope:
    """What is said about an event: who says it, of what, when, and which message led to it.

    `sequence` is the version of the aggregate `subject` as it was when the event happened: consumers keep the newest.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime.datetime
    sequence: int
    correlationid: str
    causationid: str | None = None
    traceparent: str | None = None


_TRACE_LENGTH_MAX = 200


class _EnvelopeSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    specversion = fields.String(required=True, validate=validate.Equal("1.0"))
    id = fields.String(required=True, validate=validate.Length(1, 200))
    type = fields.String(required=True)
    source = fields.String(required=True, validate=validate.Length(1, 200))
    subject = fields.String(required=True, validate=validate.Length(1, 200))
    time = Moment(required=True)
    sequence = fields.Integer(required=True, strict=True, validate=validate.Range(min=0))
    correlationid = fields.String(required=True, validate=validate.Length(1, 200))
    causationid = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=200))
    traceparent = fields.String(load_default=None, allow_none=True)
    datacontenttype = fields.String(load_default="application/json")
    data = fields.Dict(required=True, keys=fields.String())

    @post_load
    def build(self, loaded: dict, **_: Any) -> tuple[Envelope, dict]:
        data = loaded.pop("data")
        del loaded["specversion"], loaded["datacontenttype"]
        if loaded["traceparent"] and len(loaded["traceparent"]) > _TRACE_LENGTH_MAX:
            loaded["traceparent"] = None  # it would travel on in every event that follows; losing it costs nothing
        return Envelope(**loaded), data


_SCHEMA = _EnvelopeSchema()


def wrap(
    event: Any,
    *,
    id: str,
    time: datetime.datetime,
    sequence: int,
    correlation_id: str,
    causation_id: str | None = None,
    traceparent: str | None = None,
) -> dict[str, Any]:
    """The message for `event` as a JSON-ready mapping. `time` must be aware; `sequence` is the aggregate's version."""
    message = {
        "specversion": "1.0",
        "id": id,
        "type": event.type_name,
        "source": f"/touchstone/{event.producer}",
        "subject": str(getattr(event, event.subject_field)),
        "time": time.isoformat(),
        "sequence": sequence,
        "correlationid": correlation_id,
        "datacontenttype": "application/json",
        "data": event.schema.dump(event),
    }
    if causation_id:
        message["causationid"] = causation_id
    if traceparent:
        message["traceparent"] = traceparent
    return message


def unwrap(message: Any, *, expected: type | None = None) -> tuple[Envelope, Any]:
    """The envelope and the typed event of a decoded message.

    Raises marshmallow.ValidationError when the envelope or the data breaks its schema, when the type is unknown,
    or when it is not the `expected` one.
    """
    if not isinstance(message, dict):
        raise ValidationError({"_schema": ["The message is not a JSON object."]})
    envelope, data = loading.load(_SCHEMA, message)
    event_class: Any = REGISTRY.get(envelope.type)
    if event_class is None or (expected is not None and event_class is not expected):
        raise ValidationError({"type": [f"{envelope.type!r} is not what this queue is for."]})
    return envelope, loading.load(event_class.schema, data)


def amqp_properties(*, id: str, type: str, correlation_id: str) -> dict[str, str]:
    """The AMQP properties with which an event travels. AMQP's short strings hold 255 bytes; the body has all of it."""
    return {
        "message_id": id,
        "type": type,
        "content_type": CONTENT_TYPE,
        "content_encoding": "utf-8",
        "correlation_id": correlation_id.encode()[:255].decode(errors="ignore"),
    }
