"""Carries out a command once, and a query, for a caller who waits."""

import dataclasses
from collections.abc import Callable
from typing import Any

import orjson
from marshmallow import Schema

from touchstone_chassis import validation
from touchstone_chassis.handlers.execution import Execution
from touchstone_chassis.handlers.idempotency import checked_key
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
        self._asked = resources.answers.asked(call.caller, call.method_name, key, self._arguments)
        self._former_id: str | None = self._asked.former_id
        self._tried = False

    def run(self) -> bytes:
        with self.resources.answers.under_way(self._asked.id):
            while True:
                try:
                    answer: bytes = super().run()
                    return answer
                except AnswerStored as known:
                    stored = _StoredAnswer(self, known_as=str(known)).run()
                except Refusal as refusal:
                    # What stands in the way may be what this very command did, when another replica was asked first.
                    stored = None if refusal.retryable else _StoredAnswer(self).run()
                    if stored is None:
                        raise
                if stored is not None:
                    return stored["answer"]
                self._former_id = None  # another caller's, to whom the release before would take this one for

    def attempt(self) -> bytes:
        # An earlier try may have been committed without our knowing. Of an earlier call the commit itself would
        # tell, or the refusal of what that call did: most commands are no repeats, and need no look.
        if self._tried and (stored := self.stored()) is not None:
            raise AnswerStored(stored["_id"])
        self._tried = True
        request = validation.load(self._call.schema, self._arguments)
        return dumps(self._method(request, self._call.caller))

    def completion(self, answer: bytes) -> CompletionRecord:
        fault_point("rpc_commit")
        stored = {"_id": self._asked.id, "answer": answer, **self._asked.noted}
        return CompletionRecord(answer=stored, former_id=self._former_id)

    def stored(self, known_as: str | None = None) -> dict[str, Any] | None:
        """The first execution's answer. Raises Clash while nothing is to be seen of the one that is known to be there,
        since no majority has it yet, and IdempotencyConflict."""
        found = self.resources.answers.find([self._asked.id, self._asked.former_id])
        if known_as is not None and known_as not in found:
            raise Clash("The command")
        return self._asked.first_time(found)


class _StoredAnswer(Execution):
    """Looks for what a command answered the first time: under its limits, and again where the database is silent."""

    def __init__(self, command: CommandExecution, known_as: str | None = None):
        super().__init__(command.resources, command.unit, Origin(""), until=command.until)
        self._command, self._known_as = command, known_as

    def attempt(self) -> dict[str, Any] | None:
        return self._command.stored(self._known_as)


def dumps(value: Any) -> bytes:
    """JSON of an answer: dates and times as ISO strings, decimals as strings, enums by value."""
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)
