"""The entrypoints for calls: nameko's wire protocol, with deadlines, callers, repeatable commands and one error."""

import contextlib
import dataclasses
import re
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from marshmallow import Schema
from nameko import config

from touchstone_chassis.consuming.decoding import BadMessage, correlation_id, decode, text_header, traceparent
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.retry import let_go
from touchstone_chassis.handlers.authorization import authenticate, checked_roles
from touchstone_chassis.handlers.commands import Call, CommandExecution, QueryExecution
from touchstone_chassis.handlers.entrypoint import Invocation, RetriedEntrypoint, handled_by
from touchstone_chassis.handlers.tracing import call_span
from touchstone_chassis.observability import metrics, tracing
from touchstone_chassis.rpc.replies import reply_to_of
from touchstone_chassis.rpc.server import RpcServer
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.errors import DeadlineExceeded, InternalError, InvalidRequest, MalformedRequest, Refusal

log = structlog.get_logger(__name__)

PUBLIC_BYTES_MAX = 16 * 1024
"""Of a body that comes without a token: many times what a question about the public register needs."""
_MILLISECONDS = re.compile(r"[0-9]{1,19}")
NO_REPLY_TO = "no_reply_to"
_FAILED = "The service failed; its log has the details under the correlation id."


class Method(RetriedEntrypoint):
    """A method that other systems call."""

    server = RpcServer()

    def __init__(self, schema: Schema, roles: Sequence[str], *, changes: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.schema, self.changes = schema, changes
        self.roles = checked_roles(roles, public_allowed=not changes)

    def setup(self) -> None:
        self.server.add(self.method_name, self.spawn)

    def span(self, invocation: Invocation) -> contextlib.AbstractContextManager[None]:
        return call_span(self.resources.service, self.method_name, invocation.subject)

    def handle(self, invocation: Invocation, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = invocation.subject
        structlog.contextvars.clear_contextvars()
        started = time.monotonic()
        if not reply_to_of(delivery):
            nobody = "a request without reply_to cannot be answered"
            self.resources.retry_policy.dead_letter(delivery, NO_REPLY_TO, BadMessage(NO_REPLY_TO, nobody))
            return
        result: bytes | None = None
        error: Refusal | None = None
        try:
            result = self._answer(invocation, delivery, method)
        except BadMessage as bad:
            # A caller knows its arguments, not what they are wrapped in.
            faults = [dataclasses.replace(fault, path=fault.path.removeprefix("kwargs.")) for fault in bad.faults]
            error = MalformedRequest(str(bad), faults)
        except Refusal as refusal:
            error = refusal.with_traceback(None)  # which holds the request in memory, until the answer has gone out
        except Exception as failure:
            log.error("call_failed", method=self.method_name, error=type(failure).__name__, exc_info=failure)
            error = InternalError(_FAILED)
        let_go(error)
        fault_point("rpc_reply")
        self.server.replies.send(delivery, result, error)
        fault_point("rpc_ack")
        delivery.ack()
        took_s, outcome = time.monotonic() - started, error.code if error else "ok"
        metrics.RPC_REQUESTS.labels(method=self.method_name, outcome=outcome).inc()
        tracing.outcome(outcome)
        metrics.HANDLER_SECONDS.labels(service=self.resources.service, entrypoint=self.method_name).observe(took_s)

    def broke(self, invocation: Invocation, error: BaseException) -> None:
        if not invocation.subject.settled:
            self.server.replies.send(invocation.subject, None, InternalError(_FAILED))
            invocation.subject.ack()

    def _answer(self, invocation: Invocation, delivery: Delivery, method: Callable[..., Any]) -> bytes:
        until = _deadline(delivery)
        if (late_s := time.time() - until) > 0:
            raise DeadlineExceeded(
                f"The deadline passed {late_s:.1f} s before anything was done, by this service's clock."
            )
        # A body costs more than a token: who shows none has little to say.
        caller = authenticate(self.resources, text_header(delivery, "nameko.authorization"), self.roles)
        body = decode(delivery, "application/json", bytes_max=PUBLIC_BYTES_MAX if caller is None else None)
        arguments = _arguments(body)
        call = Call(self.method_name, self.schema, arguments, caller, until)
        if not self.changes:
            with self.server.public_share if caller is None else contextlib.nullcontext():
                return QueryExecution(self.resources, invocation.unit, call, method).run()
        assert caller is not None  # a command is never public
        origin = Origin(
            correlation_id(delivery) or uuid.uuid4().hex,
            None,
            traceparent(delivery),
            trigger=self.method_name,
            by=str(caller),
        )
        structlog.contextvars.bind_contextvars(correlation_id=origin.correlation_id)
        return CommandExecution(self.resources, invocation.unit, call, method, origin).run()


def _arguments(body: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a nameko request. Raises InvalidRequest for anything else."""
    args, kwargs = body.get("args", []), body.get("kwargs", {})
    if args or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise InvalidRequest('Methods take keyword arguments only: {"args": [], "kwargs": {...}}.')
    return dict(kwargs)


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
