"""The RPC entrypoints: nameko's wire protocol, with deadlines, callers, repeatable commands and one error object."""

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import amqp
import eventlet
import orjson
import structlog
from eventlet.semaphore import Semaphore
from marshmallow import Schema
from nameko import config
from nameko.extensions import SharedExtension

from touchstone_chassis.amqp import connections
from touchstone_chassis.consuming.consumer import Delivery
from touchstone_chassis.consuming.decoding import BadMessage, decode, text_header, traceparent
from touchstone_chassis.handlers import commands
from touchstone_chassis.handlers.entrypoint import EntrypointAdapter, Invocation, handled_by
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.observability import metrics
from touchstone_chassis.observability.spans import mark
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_contracts.errors import InternalError, MalformedRequest, Refusal, UnknownMethod
from touchstone_contracts.topology import RPC_EXCHANGE, rpc_queue

log = structlog.get_logger(__name__)

_MILLISECONDS = re.compile(r"[0-9]{1,19}")


HEAR_S, HEARD_AT_ONCE_MAX = 0.05, 100
MOVED_EVERY_S = 10.0
"""Answers that come back move to another node of the broker, at most so often: most have lost their caller."""


class ReplyTimeout(Exception):
    """The broker did not take an answer in time."""


class _Answer(NamedTuple):
    """`until`: monotonic time, seconds, at which whoever gave it stops waiting."""

    message: amqp.Message
    reply_to: str
    until: float


class ReplyPublisher(SharedExtension):
    """Sends answers: transient and unconfirmed, since a caller without an answer asks again with the same key."""

    def __init__(self) -> None:
        self._lock = Semaphore(1)
        self._answers: list[_Answer] = []
        self._connection: amqp.Connection | None = None
        self._channel: amqp.Channel | None = None
        self._returned = False
        self._moved_at = -MOVED_EVERY_S

    def send(self, delivery: Delivery, result: bytes | None, error: Refusal | None) -> None:
        reply_to = _reply_to(delivery)
        if reply_to is None:
            return
        body = b'{"result":' + (result or b"null") + b',"error":' + _error_json(error) + b"}"
        correlation_id = delivery.attribute("correlation_id")
        properties = {"correlation_id": correlation_id} if correlation_id else {}
        message = amqp.Message(body, content_type="application/json", content_encoding="utf-8", **properties)
        self._answers.append(_Answer(message, reply_to, time.monotonic() + config["confirm_timeout_s"]))
        try:
            # A broker that is out of memory or stopped reads nothing, and py-amqp would wait for ever.
            with eventlet.Timeout(config["confirm_timeout_s"], ReplyTimeout):
                eventlet.sleep(0)  # whoever is awake already may come along
                with self._lock:
                    self._publish_all()
        except ReplyTimeout:
            log.info("reply_not_sent", error="ReplyTimeout")

    @property
    def address(self) -> str:
        """Of the node that answers go by; empty while there is no connection."""
        return connections.address_of(self._connection)

    def _publish_all(self) -> None:
        """All answers that wait, in one send; nothing where another has taken ours along."""
        answers, self._answers = self._answers, []
        for _attempt in (1, 2) if answers else ():
            try:
                self._open()
                self._hear()
                channel = self._open()
                with connections.in_one_send(channel.connection):
                    for answer in answers:
                        connections.publish(channel, answer.message, RPC_EXCHANGE, answer.reply_to)
                return
            except ReplyTimeout:
                self._drop()
                # It is our time that is over: the others wait for the lock.
                self._answers[:0] = [answer for answer in answers if answer.until > time.monotonic()]
                raise
            except (*connections.CONNECTION_ERRORS, AttributeError) as failure:  # py-amqp's for a closed transport
                log.info("replies_not_sent", error=type(failure).__name__, count=len(answers))
                self._drop()

    def _open(self) -> amqp.Channel:
        if self._channel is None or not self._channel.is_open:
            self._connection = connections.connect(
                config["AMQP_URI"], name=f"touchstone {config.get('service', '')} replies"
            )
            self._channel = self._connection.channel()
            self._channel.events["basic_return"].add(self._on_return)
            self._returned = False
        return self._channel

    def _hear(self) -> None:
        """What the broker has said since the last answer: a connection that it ended would take one more in silence."""
        assert self._connection is not None
        with contextlib.suppress(TimeoutError):
            for _frame in range(HEARD_AT_ONCE_MAX):
                if not connections.has_something_to_read(self._connection):
                    break
                # Not 0: py-amqp would then wait for the rest of a frame without letting anybody else run.
                self._connection.drain_events(timeout=HEAR_S)
        returned, self._returned = self._returned, False
        if returned and time.monotonic() - self._moved_at > MOVED_EVERY_S:
            self._moved_at = time.monotonic()
            if connections.avoid(self._connection):
                log.warning("replies_moved", reason="an answer had nowhere to go")
                self._drop()

    def _on_return(self, *_returned: Any) -> None:
        """Its caller has gone; or the node has lost touch with the others and knows nothing of their callers' queues,
        as RabbitMQ 3 does when it was frozen for longer than the others wait."""
        self._returned = True

    def _drop(self) -> None:
        connections.close_quietly(self._connection)
        self._connection = self._channel = None

    def stop(self) -> None:
        self._drop()


def _error_json(error: Refusal | None) -> bytes:
    if error is None:
        return b"null"
    # The exc_* keys let nameko's stock client raise a RemoteError; they are no part of the contract.
    stock = {
        "exc_type": error.code,
        "exc_path": f"touchstone.{error.code}",
        "exc_args": [error.message],
        "value": error.message,
    }
    return orjson.dumps(error.as_dict() | stock, default=str)


class RpcServer(SharedExtension):
    """The one request queue of a service: finds the method for each request."""

    resources = Resources()
    replies = ReplyPublisher()

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def setup(self) -> None:
        self.resources.consumer.register(rpc_queue(self.resources.service), self._route, calls=True)

    def add(self, method: "Method") -> None:
        self._methods[method.method_name] = method

    def _route(self, delivery: Delivery) -> None:
        name = delivery.routing_key.removeprefix(f"{self.resources.service}.")
        method = self._methods.get(name)
        if method is not None:
            method.spawn(delivery)
        else:  # not here: no other message would be handed on while the broker keeps us waiting
            self.container.spawn_managed_thread(lambda: self._answer_unknown(delivery, name[:100]))

    def _answer_unknown(self, delivery: Delivery, name: str) -> None:
        if _reply_to(delivery):
            self.replies.send(delivery, None, UnknownMethod(f"{self.resources.service} has no method {name!r}."))
            delivery.ack()
        else:
            self.resources.retry_policy.dead_letter(delivery, "unknown_method", f"no method {name!r}")


class Method(EntrypointAdapter):
    """A method that other systems call."""

    server = RpcServer()

    def __init__(self, schema: Schema, roles: Sequence[str], *, changes: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.schema, self.changes = schema, changes
        self.roles = commands.checked_roles(roles, public_allowed=not changes)

    def setup(self) -> None:
        self.execution = commands.Execution(self.resources, self.schema, self.method_name)
        self.server.add(self)

    def stop(self) -> None:
        self.resources.consumer.drain()

    def handle(self, work: Invocation, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = work.subject
        mark("work_started", delivery)
        structlog.contextvars.clear_contextvars()
        started = time.monotonic()
        result: bytes | None = None
        error: Refusal | None = None
        try:
            if not _reply_to(delivery):
                raise BadMessage("no_reply_to", "a request without reply_to cannot be answered")
            result = self._answer(work, delivery, method)
        except BadMessage as bad:
            if bad.reason == "no_reply_to":
                self.resources.retry_policy.dead_letter(delivery, bad.reason, bad)
                return
            error = MalformedRequest(str(bad))
        except Refusal as refusal:
            error = refusal
        except Exception as failure:
            log.error("call_failed", method=self.method_name, error=type(failure).__name__, exc_info=failure)
            error = InternalError("The service failed; its log has the details under the correlation id.")
        fault_point("rpc_reply")
        self.server.replies.send(delivery, result, error)
        fault_point("rpc_ack")
        delivery.ack()
        mark("settled")
        outcome = error.code if error else "ok"
        metrics.RPC_REQUESTS.labels(method=self.method_name, outcome=outcome).inc()
        metrics.HANDLER_SECONDS.labels(service=self.resources.service, entrypoint=self.method_name).observe(
            time.monotonic() - started
        )

    def broke(self, work: Invocation, error: BaseException) -> None:
        if not work.subject.settled:
            self.server.replies.send(work.subject, None, _failed())
            work.subject.ack()

    def _answer(self, work: Invocation, delivery: Delivery, method: Callable[..., Any]) -> bytes:
        arguments = commands.kwargs_of(decode(delivery, "application/json"))
        until = _deadline(delivery)
        commands.check_deadline(until)
        mark("decoded")
        caller = commands.authenticate(self.resources, text_header(delivery, "nameko.authorization"), self.roles)
        mark("authenticated")
        if not self.changes:
            return self.execution.query(method, arguments, caller, work.unit, until)
        assert caller is not None  # a command is never public
        correlation_id = text_header(delivery, "nameko.correlation_id", length_max=100)
        origin = commands.new_origin(
            correlation_id, None, traceparent(delivery), trigger=self.method_name, by=caller.subject
        )
        structlog.contextvars.bind_contextvars(correlation_id=origin.correlation_id)
        return self.execution.command(method, arguments, caller, work.unit, origin, until)


def _reply_to(delivery: Delivery) -> str | None:
    """Where the answer goes; None when the caller left no address, or an empty one."""
    reply_to = delivery.attribute("reply_to")
    return reply_to if isinstance(reply_to, str) and reply_to else None


def _failed() -> InternalError:
    return InternalError("The service failed; its log has the details under the correlation id.")


def _deadline(delivery: Delivery) -> float:
    """Unix time in seconds by which the call must be done: what the caller says, at most an hour from now."""
    given = delivery.headers.get("nameko.deadline")
    if given is None:
        return delivery.received_at + config["rpc_timeout_default_s"]
    if isinstance(given, str) and _MILLISECONDS.fullmatch(given):
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise BadMessage("headers", "nameko.deadline is not a unix time in milliseconds")
    return min(given / 1000, delivery.received_at + 3600)


def command(schema: Schema, *, roles: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An RPC method that changes something. It takes an `idempotency_key` besides what `schema` says."""
    return handled_by(Method(schema, roles, changes=True))


def query(schema: Schema, *, roles: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An RPC method that changes nothing. With `roles.PUBLIC` it needs no token, and the caller may be None."""
    return handled_by(Method(schema, roles, changes=False))
