"""The entrypoint for events: a typed payload from a quorum queue, handled once, retried, or dead-lettered."""

import time
from collections.abc import Callable
from typing import Any

import structlog
from marshmallow import ValidationError

from touchstone_chassis.consuming.consumer import Delivery
from touchstone_chassis.consuming.decoding import BadMessage, decode
from touchstone_chassis.consuming.retry import attempts_of
from touchstone_chassis.handlers import execution
from touchstone_chassis.handlers.entrypoint import EntrypointAdapter, Invocation, handled_by
from touchstone_chassis.observability import metrics
from touchstone_chassis.observability.spans import mark
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.transaction import AlreadyProcessed, CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.envelope import CONTENT_TYPE, Envelope, unwrap
from touchstone_contracts.errors import Refusal
from touchstone_contracts.topology import event_queue
from touchstone_contracts.versions import upcast, versions

log = structlog.get_logger(__name__)

RETRIES_MAX = 1000
"""A header says how often a message failed before: believed up to here."""


class OnEvent(EntrypointAdapter):
    """Handles one event, in whichever version it comes. Queues are named from classes, never from the method."""

    def __init__(self, event_class: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.event_class = event_class

    def setup(self) -> None:
        self.version_in = {event_queue(self.resources.service, v.type_name): v for v in versions(self.event_class)}
        for queue in self.version_in:
            self.resources.consumer.register(queue, self.spawn)

    def stop(self) -> None:
        self.resources.consumer.drain()

    def handle(self, work: Invocation, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = work.subject
        mark("work_started", delivery)
        started = time.monotonic()
        structlog.contextvars.clear_contextvars()
        try:
            outcome = self._settle(work, delivery, method)
        except Exception as error:  # nothing that a message does ends the process
            outcome = "retried"
            self.resources.retry_policy.retry_or_dead_letter(delivery, error)
        metrics.HANDLER_SECONDS.labels(service=self.resources.service, entrypoint=self.method_name).observe(
            time.monotonic() - started
        )
        metrics.MESSAGES_HANDLED.labels(service=self.resources.service, queue=delivery.queue, outcome=outcome).inc()

    def broke(self, work: Invocation, error: BaseException) -> None:
        if not work.subject.settled:
            self.resources.retry_policy.retry_or_dead_letter(work.subject, error)

    def _settle(self, work: Invocation, delivery: Delivery, method: Callable[..., Any]) -> str:
        try:
            envelope, event = unwrap(decode(delivery, CONTENT_TYPE), expected=self.version_in[delivery.queue])
        except BadMessage as error:
            self.resources.retry_policy.dead_letter(delivery, error.reason, error)
            return "dead_lettered"
        except ValidationError as error:
            self.resources.retry_policy.dead_letter(
                delivery, "schema", f"fields: {', '.join(sorted(map(str, error.messages_dict)))}"
            )
            return "dead_lettered"
        structlog.contextvars.bind_contextvars(correlation_id=envelope.correlationid, event_id=envelope.id)
        try:
            event = upcast(event, self.event_class)
        except Exception as error:  # it would fail each time: a release with another upcaster, or an edit, mends it
            self.resources.retry_policy.dead_letter(delivery, "upcast", error)
            return "dead_lettered"
        mark("decoded")
        return self._handle(work, delivery, lambda: method(event, envelope), envelope)

    def _handle(self, work: Invocation, delivery: Delivery, handler: Callable[[], Any], envelope: Envelope) -> str:
        # The logical handler, not the queue or the version: an event that comes by two queues counts once.
        inbox_key = f"{self.resources.service}.{self.method_name}/{envelope.id}"
        origin = Origin(envelope.correlationid, envelope.id, envelope.traceparent, self.method_name)
        done = CompletionRecord(inbox=inbox_key, retries=min(attempts_of(delivery), RETRIES_MAX))
        try:
            execution.run(self.resources, work.unit, handler, origin=origin, complete=lambda _result: done)
        except AlreadyProcessed:
            delivery.ack()
            return "repeated"
        except execution.Deferred as defer:
            return "defer" if self.resources.retry_policy.defer(delivery, defer.__cause__ or defer) else "retried"
        except Exception as error:
            return self._failed(delivery, inbox_key, error)
        fault_point("before_ack")
        delivery.ack()
        mark("settled")
        return "handled"

    def _failed(self, delivery: Delivery, inbox_key: str, error: Exception) -> str:
        # A repeat may well break a rule of the domain. While the database is away this raises: tried again later.
        if self.resources.committer.was_processed(inbox_key):
            delivery.ack()
            return "repeated"
        log.error("event_handler_failed", handler=self.method_name, error=type(error).__name__, exc_info=error)
        if isinstance(error, Refusal) and not error.retryable:
            self.resources.retry_policy.dead_letter(delivery, error.code, error)
            return "dead_lettered"
        self.resources.retry_policy.retry_or_dead_letter(delivery, error)
        return "retried"


def on_event(event_class: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle `event_class`: the method gets the typed event and its Envelope.

    What comes in an older version is brought up to it. The method's name is part of how the inbox knows an event that
    was handled: it stays the same from version to version.
    """
    return handled_by(OnEvent(event_class))
