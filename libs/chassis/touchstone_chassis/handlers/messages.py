"""The entrypoint for commands that come as a message on a queue: no caller waits, so a refusal is recorded."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from marshmallow import Schema

from touchstone_chassis import validation
from touchstone_chassis.consuming.decoding import BadMessage, decode, text_header, traceparent
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.handlers.authorization import authenticate, checked_roles
from touchstone_chassis.handlers.entrypoint import Invocation, RetriedEntrypoint, handled_by
from touchstone_chassis.handlers.execution import Deferred, Execution
from touchstone_chassis.observability import metrics, tracing
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.transaction import AlreadyProcessed, CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Refusal, Unauthenticated

log = structlog.get_logger(__name__)


class MessageExecution(Execution):
    """One message in one handler: done when the inbox holds its sender's id for it."""

    def __init__(self, invocation: Invocation, call: Callable[[], Any], inbox_key: str, origin: Origin):
        super().__init__(invocation.entrypoint.resources, invocation.unit, origin)
        self._call, self._inbox_key = call, inbox_key

    def attempt(self) -> None:
        self._call()

    def completion(self, _result: None) -> CompletionRecord:
        return CompletionRecord(inbox=self._inbox_key)


class OnMessage(RetriedEntrypoint):
    """Takes the messages of one queue as commands, once for each message id."""

    def __init__(
        self, queue: str, schema: Schema, roles: Sequence[str], refused: str, handler: str | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.queue, self.schema, self.refused, self._handler = queue, schema, refused, handler
        self.roles = checked_roles(roles, public_allowed=False)

    @property
    def handler(self) -> str:
        """The durable name by which the inbox knows what was handled."""
        return self._handler or self.method_name

    def setup(self) -> None:
        self.resources.consumer.register(self.queue, self.spawn)

    def handle(self, invocation: Invocation, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = invocation.subject
        policy = self.resources.retry_policy
        structlog.contextvars.clear_contextvars()
        try:
            outcome = self._settle(invocation, delivery, method, getattr(service, self.refused))
        except BadMessage as bad:
            outcome = policy.dead_letter(delivery, bad.reason, bad)
        except Deferred as deferred:
            outcome = policy.defer(delivery, deferred.__cause__ or deferred)
        except Exception as error:
            log.error("message_handler_failed", handler=self.method_name, error=type(error).__name__, exc_info=error)
            outcome = policy.retry_or_dead_letter(delivery, error)
        metrics.MESSAGES_HANDLED.labels(service=self.resources.service, queue=self.queue, outcome=outcome).inc()
        tracing.outcome(outcome)

    def _settle(
        self, invocation: Invocation, delivery: Delivery, method: Callable[..., Any], refused: Callable[..., Any]
    ) -> str:
        body = decode(delivery, "application/json")
        message_id = _message_id(delivery)
        correlation_id = text_header(delivery, "nameko.correlation_id", length_max=100) or message_id
        origin = Origin(correlation_id, message_id, traceparent(delivery), self.handler)
        structlog.contextvars.bind_contextvars(correlation_id=origin.correlation_id)
        caller: Caller | None = None
        inbox_key = self._inbox_key(caller, message_id)
        try:
            caller = self._authenticate(delivery)
            origin = dataclasses.replace(origin, by=caller.subject)
            inbox_key = self._inbox_key(caller, message_id)
            request = validation.load(self.schema, body)
            call = functools.partial(method, request, caller, message_id)
            MessageExecution(invocation, call, inbox_key, origin).run()
        except AlreadyProcessed:
            pass
        except Refusal as refusal:
            if refusal.retryable:
                raise
            if not self.resources.committer.was_processed(inbox_key):
                record = functools.partial(refused, body, caller, refusal, message_id)
                _record(MessageExecution(invocation, record, inbox_key, origin))
            delivery.ack()
            return "refused"
        fault_point("before_ack")
        delivery.ack()
        return "handled"

    def _inbox_key(self, caller: Caller | None, message_id: str) -> str:
        # A message id is its sender's: another sender's, or that of somebody without a token, is another message.
        return f"{self.resources.service}.{self.handler}/{caller.subject if caller else ''}/{message_id}"

    def _authenticate(self, delivery: Delivery) -> Caller:
        token = text_header(delivery, "authorization", "nameko.authorization")
        caller = authenticate(self.resources, token, self.roles)
        if caller is None:
            raise Unauthenticated("This message needs a token.")
        return caller


def _message_id(delivery: Delivery) -> str:
    message_id = delivery.attribute("message_id")
    if not isinstance(message_id, str) or not 1 <= len(message_id) <= 200:
        raise BadMessage("no_message_id", "a message needs a message_id of 1 to 200 characters")
    return message_id


def _record(refusal: MessageExecution) -> None:
    with contextlib.suppress(AlreadyProcessed):
        refusal.run()


def on_message(
    queue: str, schema: Schema, *, roles: Sequence[str], refused: str, handler: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle a command by message: the method gets the request, the caller and the message's id.

    `refused` names the method that records a refusal: it gets the body, the caller (or None), the refusal and the id.
    `handler` is the durable name by which the inbox knows what was handled; the method's name by default.
    """
    return handled_by(OnMessage(queue, schema, roles, refused, handler))
