"""A replica whose clock is minutes fast or slow: it takes and keeps nothing wrongly, and notes no wrong time."""

import datetime
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_chassis.history.api import HistoryApi
from touchstone_chassis.mongo.server_time import ServerTime, asked_of, machine_time
from touchstone_chassis.outbox.lease import LEASE, Lease
from touchstone_chassis.reconciliation.api import ReconciliationApi
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.topology import dead_letter
from touchstone_devkit.eventually import eventually

MINUTES = datetime.timedelta(minutes=10)


def _no_answer() -> datetime.datetime:
    raise ServerSelectionTimeoutError("this replica never asked")


@pytest.fixture
def inherited() -> tuple[type, ...]:
    return (HistoryApi, DeadLetterApi, ReconciliationApi)


@pytest.fixture
def slow_replica(bus: Any, issuer: Any, resources: Any) -> Callable[..., Any]:
    """Asks the toy, whose machine is ten minutes slow against its database, for something."""
    resources.time._time = ServerTime(
        lambda: machine_time() + MINUTES
    )  # an answer that is never late, however busy it is

    def ask(method: str, **kwargs: Any) -> Any:
        reply = bus.call(method, issuer.token(OPERATOR), **kwargs)
        return reply["error"] or reply["result"]

    return ask


@pytest.fixture
def replica(resources: Any) -> Any:
    """The time of a replica whose clock is wrong, and that asks the database for the time, or does not."""

    def replica(wrong_by: datetime.timedelta, *, asks: bool = True) -> ServerTime:
        ask = (lambda: asked_of(lambda: resources.mongo.client)) if asks else _no_answer
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
def test_a_deadline_that_another_replica_has_claimed_stays_its_own(toy, resources, database, replica, asks, ran):
    resources.time._time = replica(MINUTES, asks=asks)
    now = asked_of(lambda: resources.mongo.client)
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


def is_of_the_database(moment: str) -> bool:
    """Whether a time that a slow replica noted is its database's, and not its own."""
    ahead = datetime.datetime.fromisoformat(moment) - machine_time()
    return MINUTES / 2 < ahead < 2 * MINUTES


def test_a_slow_replica_keeps_and_discards_dead_letters_by_the_databases_time(bus, slow_replica):
    bus.put(dead_letter("toy"), {"not": "an event"}, message_id="m-1")
    (parked,) = eventually(lambda: slow_replica("list_dead_letters")["items"])

    slow_replica("discard_dead_letters", ids=[parked["id"]], why="a test", idempotency_key=uuid.uuid4().hex)

    actions = slow_replica("get_dead_letter", id=parked["id"])["actions"]
    assert [action["action"] for action in actions] == ["parked", "discarded"]
    assert [is_of_the_database(action["at"]) for action in actions] == [True, True]
    assert is_of_the_database(parked["parked_at"])


def test_a_slow_replica_sees_by_the_databases_time_what_is_late(slow_replica, database):
    row = {"_id": "row-1", "exchange": "nowhere.events", "routing_key": "x.v1", "type": "x.v1", "subject": "s-1"}
    row |= {
        "body": b"{}",
        "personal": False,
        "pending": True,
        "attempts": 1,
        "correlation_id": "c",
        "causation_id": None,
    }
    row |= {"recorded_at": machine_time(), "next_attempt_at": machine_time() + 6 * MINUTES}
    database["outbox"].insert_one(row)

    late = slow_replica("list_hindrances")["unpublished"]
    overdue = slow_replica("get_reconciliation_state")["overdue"]

    assert [found["id"] for found in late] == ["row-1"]
    assert [found["id"] for found in overdue] == ["row-1"]
