"""Carries out a command or query for a caller: who may, by when, once, with a valid request."""

import functools
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import structlog
from marshmallow import Schema

from touchstone_chassis import validation
from touchstone_chassis.handlers import execution
from touchstone_chassis.handlers.idempotency import Answers, answer_id, body_hash, checked_key
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.observability.spans import mark
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.transaction import AnswerStored, Clash, CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts import roles as known_roles
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import DeadlineExceeded, Forbidden, InvalidRequest, Refusal, Unauthenticated

log = structlog.get_logger(__name__)


def checked_roles(roles: Sequence[str], *, public_allowed: bool) -> tuple[str, ...]:
    """The roles, if they are known ones. Nothing is open by default, and commands never are: raises TypeError."""
    if tuple(roles) == known_roles.PUBLIC and public_allowed:
        return tuple(roles)
    if not roles or not set(roles) <= set(known_roles.ALL):
        raise TypeError(f"an entrypoint names who may call it: some of {', '.join(known_roles.ALL)}")
    return tuple(roles)


def authenticate(resources: Resources, token: str | None, roles: Sequence[str]) -> Caller | None:
    """The caller, if it holds one of `roles`. None only where the public may read and no token came."""
    if token is None:
        if tuple(roles) == known_roles.PUBLIC:
            return None
        raise Unauthenticated("This call needs a token.")
    caller = resources.verifier.verify(token)
    if tuple(roles) != known_roles.PUBLIC and caller.role not in roles:
        raise Forbidden(f"The role {caller.role} may not do this.")
    return caller


def new_origin(
    correlation_id: str | None, causation_id: str | None, traceparent: str | None, *, trigger: str, by: str
) -> Origin:
    return Origin(correlation_id or uuid.uuid4().hex, causation_id, traceparent, trigger, by)


def check_deadline(until: float) -> None:
    if time.time() > until:
        raise DeadlineExceeded("The deadline passed before anything was done.")


class Execution:
    """How one method is executed; made once for each method of a service."""

    def __init__(self, resources: Resources, schema: Schema, method_name: str):
        self._resources, self._schema, self._method_name = resources, schema, method_name

    @functools.cached_property
    def _answers(self) -> Answers:
        return Answers(self._resources.mongo.database)

    def query(
        self,
        method: Callable[..., Any],
        arguments: dict[str, Any],
        caller: Caller | None,
        unit: UnitOfWork,
        until: float,
    ) -> bytes:
        """The JSON of what a query answers. Raises RuntimeError when it wanted to change something."""
        arguments.pop("idempotency_key", None)
        request = validation.load(self._schema, arguments)

        def handler() -> bytes:
            answer = dumps(method(request, caller))
            if unit.changes:
                raise RuntimeError(f"{self._method_name} is a query and must change nothing")
            return answer

        return execution.run(
            self._resources, unit, handler, origin=Origin(""), complete=lambda _answer: CompletionRecord(), until=until
        )

    def command(
        self,
        method: Callable[..., Any],
        arguments: dict[str, Any],
        caller: Caller,
        unit: UnitOfWork,
        origin: Origin,
        until: float,
    ) -> bytes:
        """The JSON of what a command answers; of its first execution when it is a repeat."""
        key = checked_key(arguments.pop("idempotency_key", None))
        mark("command", key)
        id, hash = answer_id(caller.subject, self._method_name, key), body_hash(arguments)
        with self._answers.under_way(id):
            return self._once(method, arguments, caller, unit, origin, until, id, hash)

    def _once(
        self,
        method: Callable[..., Any],
        arguments: dict[str, Any],
        caller: Caller,
        unit: UnitOfWork,
        origin: Origin,
        until: float,
        id: str,
        hash: str,
    ) -> bytes:
        answered: list[bytes] = []
        tried = False

        def handler() -> bytes:
            # An earlier try may have been committed without our knowing. Of an earlier call the commit itself would
            # tell, or the refusal of what that call did: most commands are no repeats, and need no look.
            nonlocal tried
            stored = self._answers.stored(id, hash) if tried else None
            tried = True
            if stored is not None:
                answered.append(stored["answer"])
                raise AnswerStored(id)
            mark("looked_up")
            request = validation.load(self._schema, arguments)
            mark("validated")
            return dumps(method(request, caller))

        def completion(answer: bytes) -> CompletionRecord:
            fault_point("rpc_commit")
            return CompletionRecord(answer={"_id": id, "body_hash": hash, "answer": answer})

        try:
            return execution.run(self._resources, unit, handler, origin=origin, complete=completion, until=until)
        except AnswerStored:
            return answered[0] if answered else self._stored_answer(unit, until, id, hash)
        except Refusal as refusal:
            # What stands in the way may be what this very command did, when another replica was asked first.
            stored = None if refusal.retryable else self._look_up(unit, until, lambda: self._answers.stored(id, hash))
            if stored is None:
                raise
            return stored["answer"]

    def _stored_answer(self, unit: UnitOfWork, until: float, id: str, hash: str) -> bytes:
        """That which the commit came upon."""

        def look_up() -> bytes:
            stored = self._answers.stored(id, hash)
            if stored is None:  # it was committed, and no majority has it yet
                raise Clash("The command")
            return stored["answer"]

        return self._look_up(unit, until, look_up)

    def _look_up(self, unit: UnitOfWork, until: float, look_up: Callable[[], Any]) -> Any:
        """Under the same limits as the command itself, and again where the database does not answer."""
        return execution.run(
            self._resources, unit, look_up, origin=Origin(""), complete=lambda _stored: CompletionRecord(), until=until
        )


def dumps(value: Any) -> bytes:
    """JSON of an answer: dates and times as ISO strings, decimals as strings, enums by value."""
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)


def kwargs_of(body: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a nameko request. Raises InvalidRequest for anything else."""
    args, kwargs = body.get("args", []), body.get("kwargs", {})
    if args or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise InvalidRequest('Methods take keyword arguments only: {"args": [], "kwargs": {...}}.')
    return dict(kwargs)
