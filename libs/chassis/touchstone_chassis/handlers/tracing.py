"""The span of one handler invocation: what a worker was started for, by names and ids."""

import time
from contextlib import AbstractContextManager, suppress
from typing import Any

from opentelemetry.trace import SpanKind

from touchstone_chassis.consuming.decoding import BadMessage, decode, traceparent
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.observability import tracing
from touchstone_contracts.envelope import CONTENT_TYPE


def message_span(delivery: Delivery) -> AbstractContextManager[None]:
    """Of whoever handles a message."""
    if not tracing.is_on():
        return tracing.NOTHING
    name, parent = f"process {delivery.queue}", _parent(delivery)
    return tracing.span(name, SpanKind.CONSUMER, attributes=_of_message(delivery), parent=parent)


def call_span(service: str, method_name: str, delivery: Delivery) -> AbstractContextManager[None]:
    """Of whoever answers a call."""
    if not tracing.is_on():
        return tracing.NOTHING
    name = f"{service}/{method_name}"
    attributes = _of_message(delivery) | {"rpc.system.name": "nameko", "rpc.method": name}
    return tracing.span(name, SpanKind.SERVER, attributes=attributes, parent=_parent(delivery))


def job_span(handler: str, id: str, correlation_id: str) -> AbstractContextManager[None]:
    """Of whoever does a job; it begins a trace of its own."""
    return tracing.span(f"job {handler}", attributes={"touchstone.job": id, **_conversation(correlation_id)})


def _of_message(delivery: Delivery) -> dict[str, str | int | float]:
    correlation_id = delivery.headers.get("nameko.correlation_id") or delivery.attribute("correlation_id")
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": "process",
        "messaging.destination.name": delivery.queue,
        "messaging.message.id": str(delivery.attribute("message_id") or ""),
        "touchstone.waited_ms": (time.time() - delivery.received_at) * 1000,  # for a worker
        **_conversation(correlation_id),
    }


def _conversation(correlation_id: Any) -> dict[str, str]:
    return {"messaging.message.conversation_id": str(correlation_id or "")}


def _parent(delivery: Delivery) -> Any:
    """What a header says, or the envelope of an event."""
    with suppress(BadMessage):
        return traceparent(delivery) or decode(delivery, CONTENT_TYPE).get("traceparent")
    return None
