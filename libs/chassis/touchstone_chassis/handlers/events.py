"""The entrypoint for events: a typed payload from a quorum queue, handled once, retried, or dead-lettered."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from marshmallow import ValidationError
from nameko import config

from touchstone_chassis.auth.signatures import NotSigned
from touchstone_chassis.consuming.decoding import BadMessage, decode, text_header
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.retry import attempts_of
from touchstone_chassis.handlers.entrypoint import Invocation, RetriedEntrypoint, entrypoints_of, handled_by
from touchstone_chassis.handlers.execution import Deferred, Execution
from touchstone_chassis.observability import metrics, tracing
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.transaction import AlreadyProcessed, CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.bookkeeping import DEAD_LETTERS, INBOX
from touchstone_contracts.envelope import BACKFILL, CONTENT_TYPE, SIGNATURE, Envelope, unwrap
from touchstone_contracts.errors import Refusal
from touchstone_contracts.registry import name_of
from touchstone_contracts.topology import event_queue
from touchstone_contracts.versions import upcast, versions

log = structlog.get_logger(__name__)

RETRIES_MAX = 1000
"""A header says how often a message failed before: believed up to here."""


class EventExecution(Execution):
    """One event in one handler: done when the inbox holds its id under the handler's durable name."""

    def __init__(
        self, invocation: Invocation, method: Callable[..., Any], event: Any, envelope: Envelope, handler: str
    ):
        resources = invocation.entrypoint.resources
        origin = Origin(envelope.correlationid, envelope.id, envelope.traceparent, handler)
        super().__init__(resources, invocation.unit, origin)
        self._method, self._event, self._envelope = method, event, envelope
        # The logical handler, not the queue or the version: an event that comes by two queues counts once.
        self.inbox_key = f"{resources.service}.{handler}/{envelope.id}"
        self._retries = min(attempts_of(invocation.subject), RETRIES_MAX)

    def attempt(self) -> None:
        self._method(self._event, self._envelope)

    def completion(self, _result: None) -> CompletionRecord:
        noted = {"event": name_of(self._envelope.type), "counted": False}
        return CompletionRecord(inbox=self.inbox_key, retries=self._retries, about=noted)


class BackfilledExecution(EventExecution):
    """An event out of its producer's log: what only keeps a copy takes it, whether it knew it or not.

    Any other handler does nothing: what the event led to is over. It is noted as handled, so that nobody sends it again
    as lost, unless a dead letter of it waits, which somebody may still replay.
    """

    def __init__(self, *given: Any, run: str, copies: bool):
        super().__init__(*given)
        self._live_key, self._run, self._copies = self.inbox_key, run, copies
        self.inbox_key = backfilled_key(self._live_key, run)
        self._known = False

    def run(self) -> None:
        try:
            super().run()
        except AlreadyProcessed as known:
            if str(known) != self._live_key:
                raise
            self._known = True
            super().run()

    def attempt(self) -> None:
        # Most are known: each that is found out by its transaction takes that of all others in the group back.
        self._known = self._known or self.unit.find_one(INBOX, {"_id": self._live_key}, {"_id": 1}) is not None
        if self._copies:
            super().attempt()
        elif not self._known and self.unit.find_one(DEAD_LETTERS, {"event_id": self._envelope.id}, {"_id": 1}):
            self._known = True

    def completion(self, _result: None) -> CompletionRecord:
        live_key = None if self._known else self._live_key
        noted = {"event": name_of(self._envelope.type), "backfill": self._run}
        return CompletionRecord(inbox=self.inbox_key, about=noted, former_id=live_key)


def backfilled_key(live_key: str, run: str) -> str:
    """Under which the inbox knows what a run of a backfill brought, beside what came by itself."""
    handler, _, id = live_key.partition("/")
    return f"{handler}/{run}/{id}"


class OnEvent(RetriedEntrypoint):
    """Handles some event types, in whichever version one comes. Queues are named from classes, not from the method."""

    def __init__(
        self,
        *event_classes: Any,
        handler: str | None = None,
        formerly: Mapping[Any, str] | None = None,
        copies: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.event_classes, self.copies = event_classes, copies
        self._handler, self._formerly = handler, dict(formerly or {})

    def handler_of(self, event_class: Any) -> str:
        """The durable name of the handler of one of its event types: of all its versions the same."""
        earlier = (self._formerly[version] for version in versions(event_class) if version in self._formerly)
        return next(earlier, None) or self._handler or self.method_name

    def setup(self) -> None:
        self.received_in = {
            event_queue(self.resources.service, version.type_name): (version, newest)
            for newest in self.event_classes
            for version in versions(newest)
        }
        for queue in self.received_in:
            self.resources.consumer.register(queue, self.spawn)

    def handle(self, invocation: Invocation, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = invocation.subject
        started = time.monotonic()
        structlog.contextvars.clear_contextvars()
        try:
            outcome = self._settle(invocation, delivery, method)
        except Exception as error:  # nothing that a message does ends the process
            outcome = self.resources.retry_policy.retry_or_dead_letter(delivery, error)
        took_s, name = time.monotonic() - started, self.resources.service
        metrics.HANDLER_SECONDS.labels(service=name, entrypoint=self.method_name).observe(took_s)
        metrics.MESSAGES_HANDLED.labels(service=name, queue=delivery.queue, outcome=outcome).inc()
        tracing.outcome(outcome)

    def _settle(self, invocation: Invocation, delivery: Delivery, method: Callable[..., Any]) -> str:
        policy = self.resources.retry_policy
        version, newest = self.received_in[delivery.queue]
        try:
            body = decode(delivery, CONTENT_TYPE)
            self._check_signature(delivery, version)
            envelope, event = unwrap(body, expected=version)
        except (BadMessage, NotSigned) as error:
            return policy.dead_letter(delivery, error.reason, error)
        except ValidationError as error:
            fields = ", ".join(sorted(map(str, error.messages_dict)))
            return policy.dead_letter(delivery, "schema", f"fields: {fields}")
        structlog.contextvars.bind_contextvars(correlation_id=envelope.correlationid, event_id=envelope.id)
        try:
            event = upcast(event, newest)
        except Exception as error:  # it would fail each time: a release with another upcaster, or an edit, mends it
            return policy.dead_letter(delivery, "upcast", error)
        execution = self._execution(invocation, method, event, envelope, self.handler_of(newest))
        try:
            execution.run()
        except AlreadyProcessed:
            delivery.ack()
            return "repeated"
        except Deferred as deferred:
            return policy.defer(delivery, deferred.__cause__ or deferred)
        except Exception as error:
            return self._failed(delivery, execution, error)
        fault_point("before_ack")
        delivery.ack()
        return "handled"

    def _execution(self, invocation: Invocation, *given: Any) -> EventExecution:
        run = text_header(invocation.subject, BACKFILL, length_max=100)
        if run is None:
            return EventExecution(invocation, *given)
        return BackfilledExecution(invocation, *given, run=run, copies=self.copies)

    def _check_signature(self, delivery: Delivery, version: Any) -> None:
        """Its producer has signed an event, or we ourselves what an operator has edited. Raises NotSigned."""
        signature = text_header(delivery, SIGNATURE)
        if signature is None and config["unsigned_events"] == "take":
            log.warning("unsigned_event_taken", queue=delivery.queue)
            return
        self.resources.signatures.check(signature, delivery.body, (version.producer, self.resources.service))

    def _failed(self, delivery: Delivery, execution: EventExecution, error: Exception) -> str:
        # A repeat may well break a rule of the domain. While the database is away this raises: tried again later.
        if self.resources.committer.was_processed(execution.inbox_key):
            delivery.ack()
            return "repeated"
        log.error("event_handler_failed", handler=self.method_name, error=type(error).__name__, exc_info=error)
        if isinstance(error, Refusal) and not error.retryable:
            return self.resources.retry_policy.dead_letter(delivery, error.code, error)
        return self.resources.retry_policy.retry_or_dead_letter(delivery, error)


def handlers_of(service: type) -> dict[str, str]:
    """The durable name of the handler of each event type, in each version that is understood."""
    return {
        version.type_name: entrypoint.handler_of(newest)
        for entrypoint in entrypoints_of(service, OnEvent)
        for newest in entrypoint.event_classes
        for version in versions(newest)
    }


def on_event(
    *event_classes: Any,
    handler: str | None = None,
    formerly: Mapping[Any, str] | None = None,
    copies: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle events of these classes: the method gets the typed event and its Envelope.

    What comes in an older version is brought up to the class that is named here. `handler` is the durable name by which
    the inbox knows what was handled: it outlives the method's name, which it is by default, and every version.
    `formerly` gives, by class, the name under which another method handled that class before. `copies` says that the
    method does nothing but keep what the event says, so that it may run again for an event out of the producer's log;
    without it, such an event is noted and nothing else.
    """
    return handled_by(OnEvent(*event_classes, handler=handler, formerly=formerly, copies=copies))
