"""The entrypoint for events: a typed payload from a quorum queue, handled once, retried, or dead-lettered."""

import time
from collections.abc import Callable, Mapping
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
    """Handles some event types, in whichever version one comes. Queues are named from classes, not from the method."""

    def __init__(
        self, *event_classes: Any, handler: str | None = None, formerly: Mapping[Any, str] | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.event_classes = event_classes
        self._handler, self._formerly = handler, dict(formerly or {})

    def handler_of(self, event_class: Any) -> str:
        """The durable name of the handler of one of its event types (in its newest version)."""
        return self._formerly.get(event_class) or self._handler or self.method_name

    def setup(self) -> None:
        self.received_in = {
            event_queue(self.resources.service, version.type_name): (version, newest)
            for newest in self.event_classes
            for version in versions(newest)
        }
        for queue in self.received_in:
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
            version, newest = self.received_in[delivery.queue]
            envelope, event = unwrap(decode(delivery, CONTENT_TYPE), expected=version)
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
            event = upcast(event, newest)
        except Exception as error:  # it would fail each time: a release with another upcaster, or an edit, mends it
            self.resources.retry_policy.dead_letter(delivery, "upcast", error)
            return "dead_lettered"
        mark("decoded")
        return self._handle(work, delivery, lambda: method(event, envelope), envelope, self.handler_of(newest))

    def _handle(
        self, work: Invocation, delivery: Delivery, handler: Callable[[], Any], envelope: Envelope, name: str
    ) -> str:
        # The logical handler, not the queue or the version: an event that comes by two queues counts once.
        inbox_key = f"{self.resources.service}.{name}/{envelope.id}"
        origin = Origin(envelope.correlationid, envelope.id, envelope.traceparent, name)
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


def on_event(
    *event_classes: Any, handler: str | None = None, formerly: Mapping[Any, str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle events of these classes: the method gets the typed event and its Envelope.

    What comes in an older version is brought up to the class that is named here. `handler` is the durable name by which
    the inbox knows what was handled: it outlives the method's name, which it is by default, and every version.
    `formerly` gives, by class, the name under which another method handled that class before.
    """
    return handled_by(OnEvent(*event_classes, handler=handler, formerly=formerly))
