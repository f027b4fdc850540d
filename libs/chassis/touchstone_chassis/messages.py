"""The entrypoint for commands that come as a message on a queue: no caller waits, so a refusal is recorded."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from marshmallow import Schema

from touchstone_chassis import calls, handling, metrics, validation
from touchstone_chassis.callers import Caller
from touchstone_chassis.consuming import Delivery
from touchstone_chassis.crashpoints import reach
from touchstone_chassis.guards import BadMessage, decode, text_header, traceparent
from touchstone_chassis.spans import mark
from touchstone_chassis.units import Origin
from touchstone_chassis.work import Work, WorkEntrypoint, handled_by
from touchstone_chassis.writing import AlreadyProcessed, Completion
from touchstone_contracts.errors import Refusal, Unauthenticated

log = structlog.get_logger(__name__)


class OnMessage(WorkEntrypoint):
    """Takes the messages of one queue as commands, once for each message id."""

    def __init__(self, queue: str, schema: Schema, roles: Sequence[str], refused: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.queue, self.schema, self.refused = queue, schema, refused
        self.roles = calls.checked_roles(roles, public_allowed=False)

    def setup(self) -> None:
        self.core.consumer.register(self.queue, self.spawn)

    def stop(self) -> None:
        self.core.consumer.drain()

    def carry_out(self, work: Work, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = work.subject
        mark("work_started", delivery)
        structlog.contextvars.clear_contextvars()
        try:
            outcome = self._settle(work, delivery, method, getattr(service, self.refused))
        except BadMessage as bad:
            outcome = "dead_lettered"
            self.core.parking.give_up(delivery, bad.reason, bad)
        except handling.PutOff as put_off:
            outcome = "put_off" if self.core.parking.put_off(delivery, put_off.__cause__ or put_off) else "retried"
        except Exception as error:
            outcome = "retried"
            log.error("message_handler_failed", handler=self.method_name, error=type(error).__name__, exc_info=error)
            self.core.parking.retry_or_give_up(delivery, error)
        metrics.MESSAGES_HANDLED.labels(service=self.core.service, queue=self.queue, outcome=outcome).inc()

    def broke(self, work: Work, error: BaseException) -> None:
        if not work.subject.settled:
            self.core.parking.retry_or_give_up(work.subject, error)

    def _settle(self, work: Work, delivery: Delivery, method: Callable[..., Any], refused: Callable[..., Any]) -> str:
        body = decode(delivery, "application/json")
        mark("decoded")
        message_id = delivery.attribute("message_id")
        if not isinstance(message_id, str) or not 1 <= len(message_id) <= 200:
            raise BadMessage("no_message_id", "a message needs a message_id of 1 to 200 characters")
        correlation_id = text_header(delivery, "nameko.correlation_id", length_max=100) or message_id
        origin = calls.new_origin(correlation_id, message_id, traceparent(delivery), trigger=self.method_name, by="")
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
            if not self.core.committer.was_processed(inbox_key):
                record = functools.partial(refused, body, caller, refusal, message_id)
                self._record(work, record, inbox_key, origin)
            delivery.ack()
            return "refused"
        reach("before_ack")
        delivery.ack()
        mark("settled")
        return "handled"

    def _inbox_key(self, caller: Caller | None, message_id: str) -> str:
        # A message id is its sender's: another sender's, or that of somebody without a token, is another message.
        return f"{self.core.service}.{self.method_name}/{caller.subject if caller else ''}/{message_id}"

    def _authenticate(self, delivery: Delivery) -> Caller:
        caller = calls.authenticate(
            self.core, text_header(delivery, "authorization", "nameko.authorization"), self.roles
        )
        if caller is None:
            raise Unauthenticated("This message needs a token.")
        return caller

    def _record(self, work: Work, handler: Callable[[], Any], inbox_key: str, origin: Origin) -> None:
        with contextlib.suppress(AlreadyProcessed):
            self._run(work, handler, inbox_key, origin)

    def _run(self, work: Work, handler: Callable[[], Any], inbox_key: str, origin: Origin) -> None:
        handling.run(self.core, work.unit, handler, origin=origin, complete=lambda _result: Completion(inbox=inbox_key))


def on_message(
    queue: str, schema: Schema, *, roles: Sequence[str], refused: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle a command by message: the method gets the request, the caller and the message's id.

    `refused` names the method that records a refusal: it gets the body, the caller (or None), the refusal and the id.
    """
    return handled_by(OnMessage(queue, schema, roles, refused))
