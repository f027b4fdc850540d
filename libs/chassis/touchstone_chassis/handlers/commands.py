"""Carries out a command once, and a query, for a caller who waits."""

import dataclasses
from collections.abc import Callable
from typing import Any

import orjson
from marshmallow import Schema

from touchstone_chassis import validation
from touchstone_chassis.handlers.execution import Execution
from touchstone_chassis.handlers.idempotency import answer_id, body_hash, checked_key
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.transaction import AnswerStored, Clash, CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Refusal


@dataclasses.dataclass(frozen=True)
class Call:
    """What somebody asks of one method: `until` is unix time, seconds."""

    method_name: str
    schema: Schema
    arguments: dict[str, Any]
    caller: Caller | None
    until: float


class QueryExecution(Execution):
    """Gives the JSON of what a query answers. Raises RuntimeError when it wanted to change something."""

    def __init__(self, resources: Resources, unit: UnitOfWork, call: Call, method: Callable[..., Any]):
        super().__init__(resources, unit, Origin(""), until=call.until)
        self._call, self._method = call, method
        arguments = {name: value for name, value in call.arguments.items() if name != "idempotency_key"}
        self._request = validation.load(call.schema, arguments)

    def attempt(self) -> bytes:
        answer = dumps(self._method(self._request, self._call.caller))
        if self.unit.changes:
            raise RuntimeError(f"{self._call.method_name} is a query and must change nothing")
        return answer


class CommandExecution(Execution):
    """Gives the JSON of what a command answers; of its first execution when it is a repeat."""

    def __init__(self, resources: Resources, unit: UnitOfWork, call: Call, method: Callable[..., Any], origin: Origin):
        super().__init__(resources, unit, origin, until=call.until)
        self._call, self._method = call, method
        assert call.caller is not None  # a command is never public
        self._arguments = dict(call.arguments)
        key = checked_key(self._arguments.pop("idempotency_key", None))
        self._id, self._hash = answer_id(call.caller.subject, call.method_name, key), body_hash(self._arguments)
        self._tried = False

    def run(self) -> bytes:
        answers = self.resources.answers
        with answers.under_way(self._id):
            try:
                answer: bytes = super().run()
                return answer
            except AnswerStored:
                stored = _StoredAnswer(self, must_be_there=True).run()
                return stored["answer"]
            except Refusal as refusal:
                # What stands in the way may be what this very command did, when another replica was asked first.
                stored = None if refusal.retryable else _StoredAnswer(self, must_be_there=False).run()
                if stored is None:
                    raise
                return stored["answer"]

    def attempt(self) -> bytes:
        # An earlier try may have been committed without our knowing. Of an earlier call the commit itself would
        # tell, or the refusal of what that call did: most commands are no repeats, and need no look.
        if self._tried and self.stored() is not None:
            raise AnswerStored(self._id)
        self._tried = True
        request = validation.load(self._call.schema, self._arguments)
        return dumps(self._method(request, self._call.caller))

    def completion(self, answer: bytes) -> CompletionRecord:
        fault_point("rpc_commit")
        return CompletionRecord(answer={"_id": self._id, "body_hash": self._hash, "answer": answer})

    def stored(self) -> dict[str, Any] | None:
        return self.resources.answers.stored(self._id, self._hash)


class _StoredAnswer(Execution):
    """Looks for what a command answered the first time: under its limits, and again where the database is silent."""

    def __init__(self, command: CommandExecution, *, must_be_there: bool):
        super().__init__(command.resources, command.unit, Origin(""), until=command.until)
        self._command, self._must_be_there = command, must_be_there

    def attempt(self) -> dict[str, Any] | None:
        stored = self._command.stored()
        if stored is None and self._must_be_there:  # it was committed, and no majority has it yet
            raise Clash("The command")
        return stored


def dumps(value: Any) -> bytes:
    """JSON of an answer: dates and times as ISO strings, decimals as strings, enums by value."""
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)
