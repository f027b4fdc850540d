"""A replica whose clock is minutes fast or slow: it neither takes what others hold nor keeps what it should let go."""

import datetime
from typing import Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from touchstone_chassis.outbox import LEASE, Lease
from touchstone_chassis.server_time import ServerTime, asked_of, machine_time
from touchstone_devkit.eventually import eventually

MINUTES = datetime.timedelta(minutes=10)


def _no_answer() -> datetime.datetime:
    raise ServerSelectionTimeoutError("this replica never asked")


@pytest.fixture
def replica(core: Any) -> Any:
    """The time of a replica whose clock is wrong, and that asks the database for the time, or does not."""

    def replica(wrong_by: datetime.timedelta, *, asks: bool = True) -> ServerTime:
        ask = (lambda: asked_of(lambda: core.mongo.client)) if asks else _no_answer
        return ServerTime(ask, machine=lambda: machine_time() + wrong_by)

    return replica


def test_a_fast_clock_takes_no_lease_that_another_holds(database, replica):
    held = Lease(database, "test", replica(-MINUTES).now).take()

    taken = Lease(database, "test", replica(MINUTES).now).take()

    assert held and not taken


def test_a_fast_clock_holds_no_lease_longer_than_others_would(database, replica):
    Lease(database, "test", replica(MINUTES).now).take()

    until = database["leases"].find_one({"_id": "test"})["until"]

    assert until < machine_time() + LEASE + datetime.timedelta(seconds=5)


def test_a_replica_that_went_by_its_own_clock_would_steal(database, replica):
    Lease(database, "test", replica(-MINUTES).now).take()

    assert Lease(database, "test", replica(MINUTES, asks=False).now).take()


@pytest.mark.parametrize(("asks", "ran"), [(True, False), (False, True)], ids=["asks", "would steal if it did not ask"])
def test_a_deadline_that_another_replica_has_claimed_stays_its_own(toy, core, database, replica, asks, ran):
    core.time._time = replica(MINUTES, asks=asks)
    now = asked_of(lambda: core.mongo.client)
    of_another = {
        "_id": "reminder/theirs",
        "kind": "reminder",
        "key": "theirs",
        "due_at": now - datetime.timedelta(seconds=1),
        "payload": {"why": "x"},
        "attempt": 1,
        "claim": "another",
        "claimed_until": now + datetime.timedelta(minutes=5),
    }
    free = of_another | {"_id": "reminder/free", "key": "free", "claimed_until": None, "claim": None}
    database["deadlines"].insert_many([of_another, free])

    eventually(lambda: database["things"].find_one({"_id": "free"}))
    stolen = bool(eventually(lambda: database["things"].find_one({"_id": "theirs"})) if ran else None)

    assert stolen == ran
    assert database["things"].count_documents({"_id": "theirs"}) == ran
