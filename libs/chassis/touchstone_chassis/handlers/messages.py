"""The entrypoint for commands that come as a message on a queue: no caller waits, so a refusal is recorded."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from marshmallow import Schema

from touchstone_chassis import validation
from touchstone_chassis.consuming.consumer import Delivery
from touchstone_chassis.consuming.decoding import BadMessage, decode, text_header, traceparent
from touchstone_chassis.handlers import commands, execution
from touchstone_chassis.handlers.entrypoint import EntrypointAdapter, Invocation, handled_by
from touchstone_chassis.observability import metrics
from touchstone_chassis.observability.spans import mark
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.transaction import AlreadyProcessed, CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Refusal, Unauthenticated

log = structlog.get_logger(__name__)


class OnMessage(EntrypointAdapter):
    """Takes the messages of one queue as commands, once for each message id."""

    def __init__(
        self, queue: str, schema: Schema, roles: Sequence[str], refused: str, handler: str | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self._handler = handler
        self.queue, self.schema, self.refused = queue, schema, refused
        self.roles = commands.checked_roles(roles, public_allowed=False)

    def setup(self) -> None:
        self.resources.consumer.register(self.queue, self.spawn)

    def stop(self) -> None:
        self.resources.consumer.drain()

    def handle(self, work: Invocation, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = work.subject
        mark("work_started", delivery)
        structlog.contextvars.clear_contextvars()
        try:
            outcome = self._settle(work, delivery, method, getattr(service, self.refused))
        except BadMessage as bad:
            outcome = "dead_lettered"
            self.resources.retry_policy.dead_letter(delivery, bad.reason, bad)
        except execution.Deferred as defer:
            outcome = "defer" if self.resources.retry_policy.defer(delivery, defer.__cause__ or defer) else "retried"
        except Exception as error:
            outcome = "retried"
            log.error("message_handler_failed", handler=self.method_name, error=type(error).__name__, exc_info=error)
            self.resources.retry_policy.retry_or_dead_letter(delivery, error)
        metrics.MESSAGES_HANDLED.labels(service=self.resources.service, queue=self.queue, outcome=outcome).inc()

    def broke(self, work: Invocation, error: BaseException) -> None:
        if not work.subject.settled:
            self.resources.retry_policy.retry_or_dead_letter(work.subject, error)

    def _settle(
        self, work: Invocation, delivery: Delivery, method: Callable[..., Any], refused: Callable[..., Any]
    ) -> str:
        body = decode(delivery, "application/json")
        mark("decoded")
        message_id = delivery.attribute("message_id")
        if not isinstance(message_id, str) or not 1 <= len(message_id) <= 200:
            raise BadMessage("no_message_id", "a message needs a message_id of 1 to 200 characters")
        correlation_id = text_header(delivery, "nameko.correlation_id", length_max=100) or message_id
        origin = commands.new_origin(correlation_id, message_id, traceparent(delivery), trigger=self.method_name, by="")
        structlog.contextvars.bind_contextvars(correlation_id=origin.correlation_id)
        caller: Caller | None = None
        inbox_key = self._inbox_key(caller, message_id)
        try:
            caller = self._authenticate(delivery)
            origin = dataclasses.replace(origin, by=caller.subject)
            inbox_key = self._inbox_key(caller, message_id)
            request = validation.load(self.schema, body)
            self._run(work, lambda: method(request, caller, message_id), inbox_key, origin)
        except AlreadyProcessed:
            pass
        except Refusal as refusal:
            if refusal.retryable:
                raise
            if not self.resources.committer.was_processed(inbox_key):
                record = functools.partial(refused, body, caller, refusal, message_id)
                self._record(work, record, inbox_key, origin)
            delivery.ack()
            return "refused"
        fault_point("before_ack")
        delivery.ack()
        mark("settled")
        return "handled"

    def _inbox_key(self, caller: Caller | None, message_id: str) -> str:
        # A message id is its sender's: another sender's, or that of somebody without a token, is another message.
        handler, sender = self._handler or self.method_name, caller.subject if caller else ""
        return f"{self.resources.service}.{handler}/{sender}/{message_id}"

    def _authenticate(self, delivery: Delivery) -> Caller:
        caller = commands.authenticate(
            self.resources, text_header(delivery, "authorization", "nameko.authorization"), self.roles
        )
        if caller is None:
            raise Unauthenticated("This message needs a token.")
        return caller

    def _record(self, work: Invocation, handler: Callable[[], Any], inbox_key: str, origin: Origin) -> None:
        with contextlib.suppress(AlreadyProcessed):
            self._run(work, handler, inbox_key, origin)

    def _run(self, work: Invocation, handler: Callable[[], Any], inbox_key: str, origin: Origin) -> None:
        execution.run(
            self.resources,
            work.unit,
            handler,
            origin=origin,
            complete=lambda _result: CompletionRecord(inbox=inbox_key),
        )


def on_message(
    queue: str, schema: Schema, *, roles: Sequence[str], refused: str, handler: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle a command by message: the method gets the request, the caller and the message's id.

    `refused` names the method that records a refusal: it gets the body, the caller (or None), the refusal and the id.
    `handler` is the durable name by which the inbox knows what was handled; the method's name by default.
    """
    return handled_by(OnMessage(queue, schema, roles, refused, handler))
