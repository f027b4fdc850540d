"""A repeated command gets the answer to its first execution, also when the database is slow to give it."""

import contextlib
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from marshmallow import Schema
from pymongo.errors import AutoReconnect

from touchstone_chassis.handlers.commands import Call, CommandExecution
from touchstone_chassis.unit_of_work.transaction import AnswerStored
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import NotFound, Unavailable

pytestmark = pytest.mark.usefixtures("fixed_time")


class Stored:
    """The answers of the database: each look-up gives the next of `found`, or raises it."""

    def __init__(self, *found: Any) -> None:
        self.found = list(found)

    def stored(self, _id: str, _hash: str) -> Any:
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return None if found is None else {"answer": found}

    @contextlib.contextmanager
    def under_way(self, _id: str) -> Iterator[None]:
        yield


class Repeated:
    """A committer that knows the answer already."""

    def commit(self, unit: Any, _origin: Any, completion: Any, **_: Any) -> None:
        if unit.changes or completion.answer:
            raise AnswerStored("id")


def call(answers: Stored, method: Any = lambda _request, _caller: "second", for_s: float = 3) -> bytes:
    away = SimpleNamespace(open_for_s=0, trip=lambda: None, probe=lambda: None)
    resources = SimpleNamespace(committer=Repeated(), draining=False, circuit_breaker=away, answers=answers)
    asked = Call("method", Schema(), {"idempotency_key": "k"}, Caller("me", "secretariat"), time.time() + for_s)
    return CommandExecution(resources, UnitOfWork(None), asked, method, Origin("c")).run()  # type: ignore[arg-type]


def refused(_request: Any, _caller: Any) -> None:
    raise NotFound("Gone, by this very command.")


def test_a_repeat_gets_the_first_answer():
    assert call(Stored(b"1")) == b"1"


def test_a_repeat_that_its_first_execution_makes_impossible_gets_the_first_answer():
    assert call(Stored(b"1"), refused) == b"1"


def test_an_answer_that_no_majority_has_yet_is_waited_for():
    assert call(Stored(None, None, b"1")) == b"1"


@pytest.mark.parametrize("method", [lambda _request, _caller: "second", refused])
def test_a_database_that_goes_away_before_the_answer_is_read_is_asked_again(method):
    assert call(Stored(AutoReconnect("away"), b"1"), method) == b"1"


@pytest.mark.parametrize("method", [lambda _request, _caller: "second", refused])
def test_a_database_that_stays_away_is_told_as_such(method):
    with pytest.raises(Unavailable):
        call(Stored(AutoReconnect("away")), method, for_s=0.3)


def test_a_refusal_of_a_command_without_a_stored_answer_stands():
    with pytest.raises(NotFound):
        call(Stored(None), refused)
