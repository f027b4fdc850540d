"""The entrypoint for commands that come as a message on a queue: no caller waits, so a refusal is recorded."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from marshmallow import Schema

from touchstone_chassis import validation
from touchstone_chassis.consuming.decoding import BadMessage, correlation_id, decode, text_header, traceparent
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.fingerprint import came_before
from touchstone_chassis.handlers.authorization import authenticate, checked_roles
from touchstone_chassis.handlers.entrypoint import Invocation, RetriedEntrypoint, handled_by
from touchstone_chassis.handlers.execution import Deferred
from touchstone_chassis.handlers.message_commands import Message, MessageCommand
from touchstone_chassis.observability import metrics, tracing
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import MalformedRequest, Refusal, Unauthenticated

log = structlog.get_logger(__name__)


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
        body: dict[str, Any] = {}
        bad: BadMessage | None = None
        try:
            body = decode(delivery, "application/json")
        except BadMessage as error:
            bad = error
        handler = f"{self.resources.service}.{self.handler}"
        message = Message(handler, _message_id(delivery, bad), body, came_before(delivery))
        origin = Origin(correlation_id(delivery) or message.id, message.id, traceparent(delivery), self.handler)
        structlog.contextvars.bind_contextvars(correlation_id=origin.correlation_id)
        try:
            caller = self._authenticate(delivery)
        except Refusal as refusal:
            command = MessageCommand(self.resources, invocation.unit, origin, message)
            told = refusal if bad is None else MalformedRequest(str(bad), bad.faults)
            outcome = command.refuse(told, lambda refusal: refused(body, None, refusal, message.id))
        else:
            origin = dataclasses.replace(origin, by=str(caller))
            command = MessageCommand(self.resources, invocation.unit, origin, message)

            def refuse(refusal: Refusal) -> None:
                refused(body, caller, refusal, message.id)

            if bad is not None:
                outcome = command.refuse(MalformedRequest(str(bad), bad.faults), refuse, caller)
            else:
                outcome = command.carry_out(
                    caller, lambda: method(validation.load(self.schema, body), caller, message.id), refuse
                )
        if bad is not None:
            return self.resources.retry_policy.dead_letter(delivery, bad.reason, bad)
        fault_point("before_ack")
        delivery.ack()
        return outcome

    def _authenticate(self, delivery: Delivery) -> Caller:
        token = text_header(delivery, "authorization", "nameko.authorization")
        caller = authenticate(self.resources, token, self.roles)
        if caller is None:
            raise Unauthenticated("This message needs a token.")
        return caller


def _message_id(delivery: Delivery, bad: BadMessage | None) -> str:
    """Raises BadMessage where there is none to answer by: what is `bad` about it, if anything is."""
    message_id = delivery.attribute("message_id")
    if not isinstance(message_id, str) or not 1 <= len(message_id) <= 200 or not message_id.isprintable():
        raise bad or BadMessage("no_message_id", "a message needs a message_id of 1 to 200 visible characters")
    return message_id


def on_message(
    queue: str, schema: Schema, *, roles: Sequence[str], refused: str, handler: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle a command by message: the method gets the request, the caller and the message's id.

    `refused` names the method that records a refusal: it gets the body, the caller (or None), the refusal and the id.
    `handler` is the durable name by which the inbox knows what was handled; the method's name by default.
    """
    return handled_by(OnMessage(queue, schema, roles, refused, handler))
