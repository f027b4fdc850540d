"""A repeated command gets the answer to its first execution, also when the database is slow to give it."""

import datetime
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from marshmallow import INCLUDE, Schema
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from touchstone_chassis.handlers.commands import Call, CommandExecution
from touchstone_chassis.handlers.idempotency import Answers, digest
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.transaction import AnswerStored
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import IdempotencyConflict, NotFound, Unavailable
from touchstone_testing.event_keys import unsigned
from touchstone_testing.memory_mongo import MemoryDatabase

pytestmark = pytest.mark.usefixtures("fixed_time")


class Stored(Answers):
    """The answers of the database: each look-up gives the next of `found`, or raises it."""

    def __init__(self, *found: Any) -> None:
        super().__init__(cast(Database, MemoryDatabase()), one_issuer=True)
        self.found = list(found)

    def find(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return {} if found is None else {ids[0]: {"_id": ids[0], "answer": found, "body_hash": digest({})}}


class Repeated:
    """A committer that knows the answer already."""

    def commit(self, unit: Any, _origin: Any, completion: Any, **_: Any) -> None:
        if unit.changes or completion.answer:
            raise AnswerStored(completion.answer["_id"])


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


NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
DNV = Caller("reports", "assessor", cab="dnv", issuer="asi")
NOT_DNV = {
    "another body": Caller("reports", "assessor", cab="ecv", issuer="asi"),
    "another issuer's": Caller("reports", "assessor", cab="dnv", issuer="test-lab"),
    "another role": Caller("reports", "member", member="dnv", issuer="asi"),
    "another subject": Caller("other", "assessor", cab="dnv", issuer="asi"),
    "one whose subject looks like more": Caller("reports|submit|k", "assessor", cab="dnv", issuer="asi"),
}


class Desk:
    """Answers each call of `submit` by who called and how many were carried out before."""

    def __init__(self, *, one_issuer: bool = True) -> None:
        self.database, self.done = MemoryDatabase(), 0
        database = cast(Database, self.database)
        committer = Committer(
            database, event_time=lambda: NOON, sign=unsigned, committed=lambda *_: None, now=lambda: NOON
        )
        self.resources: Any = SimpleNamespace(
            committer=committer,
            circuit_breaker=SimpleNamespace(open_for_s=0.0),
            answers=Answers(database, one_issuer=one_issuer),
            draining=False,
        )

    def submit(self, caller: Caller, key: str = "k", **arguments: Any) -> str:
        def method(_request: Any, caller: Caller) -> str:
            unit.save("done", {"_id": str(self.done), "version": 0})
            return f"{self.done} for {caller}"

        unit = UnitOfWork(cast(Database, self.database))
        asked = Call("submit", Schema(unknown=INCLUDE), {"idempotency_key": key} | arguments, caller, time.time() + 60)
        answer = CommandExecution(self.resources, unit, asked, method, Origin("c")).run()
        self.done = len(self.database["done"].find({}))
        return answer.decode()


@pytest.mark.parametrize("other", NOT_DNV.values(), ids=NOT_DNV)
def test_an_answer_is_the_whole_callers(other: Caller) -> None:
    desk = Desk()

    first, others = desk.submit(DNV, body_id="dnv"), desk.submit(other, body_id="dnv")

    assert (first, others) == (f'"0 for {DNV}"', f'"1 for {other}"')
    assert (desk.submit(DNV, body_id="dnv"), desk.submit(other, body_id="dnv")) == (first, others)
    assert desk.done == 2
    with pytest.raises(IdempotencyConflict):
        desk.submit(other, body_id="ecv")


def note_as_the_release_before(desk: Desk, caller: Caller, **arguments: Any) -> None:
    """As 0.1 stored an answer: a caller was a subject to it."""
    id = f"{caller.subject}|submit|k"
    desk.database["idempotency"].insert_one({"_id": id, "body_hash": digest(arguments), "answer": b'"old"', "at": NOON})


@pytest.mark.parametrize(
    ("caller", "one_issuer", "told"),
    [
        (DNV, True, True),
        (DNV, False, False),  # another issuer's subject may have the same name
        (NOT_DNV["another body"], True, False),
        (Caller("reports", "registrar", issuer="asi"), True, True),
        (Caller("reports", "registrar", issuer="asi"), False, False),
    ],
)
def test_an_answer_that_the_release_before_stored_is_given_to_whom_it_must_be_and_never_earned_again(
    caller: Caller, one_issuer: bool, told: bool
) -> None:
    desk, arguments = Desk(one_issuer=one_issuer), {"report": {"team": [{"of": "ecb"}], "body_id": "dnv"}}
    note_as_the_release_before(desk, DNV, **arguments)

    if told:
        assert desk.submit(caller, **arguments) == '"old"'
    else:
        with pytest.raises(IdempotencyConflict, match="cannot be told"):
            desk.submit(caller, **arguments)

    assert desk.done == 0
    with pytest.raises(IdempotencyConflict):
        desk.submit(caller, report={"body_id": "dnv"})


def test_the_release_before_finds_the_answer_that_this_one_stored() -> None:
    desk = Desk()
    answer = desk.submit(DNV, body_id="dnv")

    (stored,) = desk.database["idempotency"].find({"_id": "reports|submit|k"})

    assert (stored["body_hash"], stored["answer"].decode()) == (digest({"body_id": "dnv"}), answer)
    assert stored["expires_at"] > NOON
