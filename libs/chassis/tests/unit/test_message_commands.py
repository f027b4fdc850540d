"""A command by message is answered always: a repeat as the first time, other content under its id by a refusal."""

import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo.database import Database

from touchstone_chassis.handlers.message_commands import Message, MessageCommand
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import AlreadyExists, InvalidRequest, Refusal, Unauthenticated
from touchstone_contracts.events.membership import OrganisationRegistered
from touchstone_testing.event_keys import unsigned
from touchstone_testing.memory_mongo import MemoryDatabase

pytestmark = pytest.mark.usefixtures("fixed_time")

NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
DNV = Caller("reports", "assessor", cab="dnv", issuer="asi")
NOT_DNV = {
    "another body": Caller("reports", "assessor", cab="ecv", issuer="asi"),
    "another issuer's": Caller("reports", "assessor", cab="dnv", issuer="test-lab"),
    "another role": Caller("reports", "member", member="dnv", issuer="asi"),
    "another subject": Caller("other", "assessor", cab="dnv", issuer="asi"),
}


class Desk:
    """Takes messages that name things; announces each thing, and each refusal by its code."""

    def __init__(self) -> None:
        self.database, self.now = MemoryDatabase(), NOON
        database = cast(Database, self.database)
        committer = Committer(
            database,
            event_time=lambda: NOON,
            sign=unsigned,
            committed=lambda rows, _: self.handed_over.extend(rows),
            now=lambda: self.now,
        )
        here = SimpleNamespace(open_for_s=0.0)
        time = SimpleNamespace(now=lambda: self.now)
        self.resources: Any = SimpleNamespace(committer=committer, circuit_breaker=here, time=time, draining=False)
        self.tried: list[str] = []
        self.handed_over: list[dict[str, Any]] = []

    def take(self, id: str, body: dict[str, Any], caller: Caller | None = DNV, *, came_before: bool = False) -> str:
        unit = UnitOfWork(cast(Database, self.database))
        command = MessageCommand(self.resources, unit, Origin("cor"), Message("toy.take", id, body, came_before))

        def name() -> None:
            self.tried.append(body["name"])
            if body["name"] == "bad":
                raise InvalidRequest("Not a name.")
            if unit.find_one("things", {"_id": body["name"]}):
                raise AlreadyExists("Named already.")
            unit.save("things", {"_id": body["name"], "version": 0}, [announced(body["name"])])

        def refused(refusal: Refusal) -> None:
            earlier = unit.find_one("refusals", {"_id": id}) or {"version": 0}
            unit.save("refusals", {"_id": id, "version": earlier["version"]}, [announced(id, refusal.code)])

        if caller is None:
            late_s = (self.now - NOON).total_seconds()
            return command.refuse(Unauthenticated(f"Expired {late_s:.0f} s ago." if late_s else "No token."), refused)
        return command.carry_out(caller, name, refused)

    def published(self) -> list[tuple[str, str]]:
        """What goes to the broker now, each with its id: the relay takes it."""
        pending = self.database["outbox"].find({"pending": True}, sort=[("recorded_at", 1)])
        done = {"pending": False, "published_at": self.now, "expires_at": self.now}
        self.database["outbox"].update_many({"pending": True}, {"$set": done})
        return [(row["subject"], row["_id"]) for row in pending]


def announced(id: str, code: str = "") -> OrganisationRegistered:
    return OrganisationRegistered(member_id=id, legal_name=code or id, member_class="PT", country="DE")


def codes(desk: Desk) -> list[str]:
    bodies = [row["body"].decode() for row in desk.database["outbox"].find({})]
    return [code for body in bodies for code in ("idempotency_conflict", "already_exists", "invalid") if code in body]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_repeat_is_answered_by_the_same_event_and_nothing_is_done_twice(desk: Desk) -> None:
    assert desk.take("m-1", {"name": "a"}) == "handled"
    ((subject, event_id),) = desk.published()

    assert desk.take("m-1", {"name": "a", "idempotency_key": "of no effect"}) == "repeated"

    assert desk.published() == [(subject, event_id)]
    assert [d["version"] for d in desk.database["things"].find({})] == [1]
    assert desk.database["refusals"].find({}) == []


def test_an_answer_that_still_waits_is_handed_over_again_as_it_is_since_it_may_just_have_gone_out(desk: Desk) -> None:
    desk.take("m-1", {"name": "a"})
    (waiting,) = desk.database["outbox"].find({})
    desk.handed_over.clear()

    assert desk.take("m-1", {"name": "a"}) == "repeated"

    assert desk.database["outbox"].find({}) == desk.handed_over == [waiting]


@pytest.mark.parametrize("other", ["b", "bad"])
def test_other_content_under_a_used_id_is_refused_as_a_conflict_each_time_by_one_event(desk: Desk, other: str) -> None:
    desk.take("m-1", {"name": "a"})
    desk.published()

    outcomes = [desk.take("m-1", {"name": other}) for _ in range(2)]

    assert outcomes == ["refused", "refused"]
    assert codes(desk) == ["idempotency_conflict"]
    assert [d["_id"] for d in desk.database["things"].find({})] == ["a"]


def test_a_refusal_does_not_use_the_id_up(desk: Desk) -> None:
    assert desk.take("m-1", {"name": "bad"}) == "refused"

    assert desk.take("m-1", {"name": "a"}) == "handled"
    assert desk.take("m-1", {"name": "bad"}) == "refused"

    assert codes(desk) == ["invalid", "idempotency_conflict"]


def test_the_same_refusal_of_the_same_content_is_one_event_however_often_it_is_tried(desk: Desk) -> None:
    desk.take("m-1", {"name": "bad"})
    first = desk.published()

    assert desk.take("m-1", {"name": "bad"}) == "refused"

    assert desk.tried == ["bad", "bad"]
    assert desk.published() == first and len(desk.database["outbox"].find({})) == 1
    desk.take("m-1", {"name": "bad", "of": "another report"})
    assert len(desk.database["outbox"].find({})) == 2


def test_who_proves_nothing_is_refused_and_takes_no_id_from_anybody(desk: Desk) -> None:
    assert [desk.take("m-1", {"name": "a"}, None) for _ in range(2)] == ["refused", "refused"]

    assert len(desk.published()) == 1
    assert desk.take("m-1", {"name": "a"}) == "handled"


def test_a_refusal_in_which_only_a_number_differs_is_the_same_event(desk: Desk) -> None:
    desk.take("m-1", {"name": "a"}, None)
    for _ in range(2):
        desk.now += datetime.timedelta(seconds=7)
        desk.take("m-1", {"name": "a"}, None)

    assert len(desk.published()) == 2  # no token; expired


@pytest.mark.parametrize("other", NOT_DNV.values(), ids=NOT_DNV)
def test_an_id_is_the_whole_senders(desk: Desk, other: Caller) -> None:
    assert desk.take("m-1", {"name": "a"}) == "handled"
    assert desk.take("m-1", {"name": "b"}, other) == "handled"
    desk.published()

    repeats = [desk.take("m-1", {"name": "a"}), desk.take("m-1", {"name": "b"}, other)]

    assert repeats == ["repeated", "repeated"]
    assert sorted(subject for subject, _id in desk.published()) == ["a", "b"]
    assert desk.take("m-1", {"name": "a"}, other) == "refused"
    assert codes(desk) == ["idempotency_conflict"]


def test_an_answer_of_long_ago_is_not_announced_again_and_the_repeat_is_answered_all_the_same(desk: Desk) -> None:
    desk.take("m-1", {"name": "a"})
    desk.take("m-2", {"name": "bad"})
    old = desk.published()
    desk.now += datetime.timedelta(days=56)

    outcomes = [desk.take("m-1", {"name": "a"}), desk.take("m-2", {"name": "bad"})]

    assert outcomes == ["refused", "refused"]
    fresh = desk.published()
    assert len(fresh) == 2 and not set(fresh) & set(old)
    assert codes(desk) == ["invalid", "already_exists", "already_exists"]


def note_as_the_release_before(desk: Desk, caller: Caller, id: str) -> None:
    desk.database["inbox"].insert_one({"_id": f"toy.take/{caller.subject}/{id}", "at": NOON, "expires_at": NOON})


def test_what_the_release_before_handled_counts_as_handled_when_it_comes_once_more(desk: Desk) -> None:
    note_as_the_release_before(desk, DNV, "m-1")

    assert desk.take("m-1", {"name": "a"}, came_before=True) == "repeated"

    assert desk.database["things"].find({}) == desk.published() == []


def test_of_a_repeat_of_what_the_release_before_handled_it_is_said_that_nobody_can_tell(desk: Desk) -> None:
    note_as_the_release_before(desk, DNV, "m-1")

    assert desk.take("m-1", {"name": "a"}) == "refused"

    assert desk.database["things"].find({}) == []
    assert codes(desk) == ["idempotency_conflict"]


def test_the_release_before_finds_what_this_one_handled_and_nothing_that_it_refused(desk: Desk) -> None:
    desk.take("m-1", {"name": "a"})
    desk.take("m-2", {"name": "bad"})

    noted = [d["_id"] for d in desk.database["inbox"].find({}) if d["_id"].count("/") == 2]

    assert noted == ["toy.take/reports/m-1"]
