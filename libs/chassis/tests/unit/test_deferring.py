"""What fails while the database is away is put off and never counted; what fails though it is there is a failure."""

from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from nameko import config
from pymongo.errors import AutoReconnect, NetworkTimeout

from touchstone_chassis.amqp.publisher import Outcome, Outgoing
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.retry import DEFERRALS_MAX, RetryPolicy
from touchstone_chassis.handlers.entrypoint import Invocation, RetriedEntrypoint
from touchstone_chassis.mongo.circuit_breaker import CircuitBreaker
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_devkit.eventually import eventually

pytestmark = pytest.mark.usefixtures("fixed_time")

TOO_SLOW = NetworkTimeout("timed out")


class Database:
    """Answers, or does not, as it is told."""

    there = True

    def answers(self) -> bool:
        return self.there


class Connection:
    """Stands for the consumer, its channels and the broker: notes what comes of a delivery."""

    in_flight, draining, closed, last_error = 1, False, False, None

    def __init__(self) -> None:
        self.done, self.published = [], []

    def defer(self, delivery: Delivery) -> None:
        delivery.abandon() if delivery.pointless else self.done.append("put off")

    def settle(self, message: Any, *, ack: bool) -> None:
        self.done.append("acknowledged" if ack else "rejected")

    def publish(self, messages: list[Outgoing]) -> list[Outcome]:
        self.published += [(m.exchange, m.headers["touchstone-attempt"]) for m in messages]
        return [Outcome.CONFIRMED]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def circuit_breaker(database: Database, monkeypatch: pytest.MonkeyPatch) -> CircuitBreaker:
    monkeypatch.setattr("touchstone_chassis.mongo.circuit_breaker.ASKED_FIRST_S", 0.001)
    return CircuitBreaker(database.answers)


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def retry_policy(circuit_breaker: CircuitBreaker, connection: Connection) -> Any:
    retry_policy = RetryPolicy()
    retry_policy.circuit_breaker = lambda: circuit_breaker
    vars(retry_policy).update(publisher=connection, consumer=connection, _service="toy")
    with config.patch({"retry_delays_s": [1, 10]}):
        yield retry_policy


@pytest.fixture
def delivery(connection: Connection) -> Delivery:
    message = amqp.Message(b"{}", application_headers={}, message_id="m-1")
    message.delivery_info = {"routing_key": "q", "exchange": "", "delivery_tag": 1}
    return Delivery("q", message, connection)  # type: ignore[arg-type]


def test_what_fails_time_and_again_though_the_database_is_there_is_retried_and_counted(
    retry_policy, delivery, connection
):
    defer = [retry_policy.defer(delivery, TOO_SLOW) for _ in range(DEFERRALS_MAX + 1)]

    assert defer == ["put_off"] * DEFERRALS_MAX + ["retried"]
    assert connection.done == ["put off"] * DEFERRALS_MAX + ["acknowledged"]
    assert connection.published == [("toy.retry.1s.q2", 1)]


def test_what_settles_in_such_a_failure_by_another_way_is_retried_as_well(retry_policy, delivery, connection):
    outcomes = [retry_policy.retry_or_dead_letter(delivery, TOO_SLOW) for _ in range(DEFERRALS_MAX + 1)]

    assert outcomes == ["put_off"] * DEFERRALS_MAX + ["retried"]
    assert delivery.settled and len(connection.published) == 1


def test_after_the_last_delay_it_is_said_that_the_message_is_dead_lettered(retry_policy, delivery):
    delivery.headers["touchstone-attempt"] = 2

    assert retry_policy.retry_or_dead_letter(delivery, ValueError("no")) == "dead_lettered"


@pytest.mark.parametrize("found_by", ["probe", "trip"])
@pytest.mark.parametrize("fails", ["during", "afterwards"])
def test_no_number_of_outages_is_counted(
    retry_policy, delivery, connection, circuit_breaker, database, found_by, fails
):
    for _outage in range(3 * DEFERRALS_MAX):
        database.there, before = False, circuit_breaker.changes
        getattr(circuit_breaker, found_by)()
        if fails == "during":
            retry_policy.defer(delivery, AutoReconnect("refused"))
        eventually(lambda known=before: circuit_breaker.changes > known)  # asked, in vain
        database.there = True
        assert circuit_breaker.wait(5)
        if fails == "afterwards":  # on a connection from before, say
            retry_policy.defer(delivery, TOO_SLOW)

    assert connection.published == [] and not delivery.settled


def test_a_database_that_goes_away_at_the_last_try_is_waited_for(retry_policy, delivery, connection, database):
    for _ in range(DEFERRALS_MAX):
        retry_policy.defer(delivery, TOO_SLOW)
    database.there = False

    assert retry_policy.defer(delivery, TOO_SLOW) == "put_off"
    database.there = True
    again = [retry_policy.defer(delivery, TOO_SLOW) for _ in range(DEFERRALS_MAX)]

    assert again == ["put_off"] * DEFERRALS_MAX
    assert connection.published == []


def test_a_failure_of_another_way_lets_the_database_be_asked(
    retry_policy, delivery, circuit_breaker, database, connection
):
    database.there = False

    retry_policy.retry_or_dead_letter(delivery, TOO_SLOW)

    assert not circuit_breaker.wait(0) and connection.done == ["put off"]
    circuit_breaker.stop()


def test_a_drain_leaves_it_to_the_next_process(retry_policy, delivery, connection):
    for _ in range(DEFERRALS_MAX):
        retry_policy.defer(delivery, TOO_SLOW)
    connection.draining = True

    retry_policy.defer(delivery, TOO_SLOW)

    assert delivery.settled and connection.published == []


def test_what_was_put_off_is_committed_by_itself_when_it_is_begun_again(retry_policy, delivery):
    begun: list[Invocation] = []
    entrypoint = RetriedEntrypoint()
    container = SimpleNamespace(spawn_worker=lambda _entrypoint, args, _kwargs: begun.extend(args))
    resources = SimpleNamespace(unit=lambda: UnitOfWork(None), retry_policy=retry_policy)
    vars(entrypoint).update(resources=resources, container=container)

    entrypoint.spawn(delivery)
    retry_policy.defer(delivery, TOO_SLOW)
    entrypoint.spawn(delivery)

    assert [work.unit.suspect for work in begun] == [False, True]
