"""What fails while the database is away is put off and never counted; what fails though it is there is a failure."""

from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from nameko import config
from pymongo.errors import AutoReconnect, NetworkTimeout

from touchstone_chassis.availability import Availability
from touchstone_chassis.consuming import Delivery
from touchstone_chassis.parking import PUT_OFFS_MAX, Parking
from touchstone_chassis.publishing import Outcome, Outgoing
from touchstone_chassis.units import UnitOfWork
from touchstone_chassis.work import Work, WorkEntrypoint
from touchstone_devkit.eventually import eventually

TOO_SLOW = NetworkTimeout("timed out")


class Database:
    """Answers, or does not, as it is told."""

    there = True

    def answers(self) -> bool:
        return self.there


class Connection:
    """Stands for the consumer, its session and the broker: notes what comes of a delivery."""

    in_flight, draining, last_error = 1, False, None

    def __init__(self) -> None:
        self.session, self.done, self.published = self, [], []

    def line_up(self, delivery: Delivery) -> None:
        self.done.append("put off")

    def settle(self, message: Any, *, ack: bool) -> None:
        self.done.append("acknowledged" if ack else "rejected")

    def publish(self, messages: list[Outgoing]) -> list[Outcome]:
        self.published += [(m.exchange, m.headers["touchstone-attempt"]) for m in messages]
        return [Outcome.CONFIRMED]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def availability(database: Database, monkeypatch: pytest.MonkeyPatch) -> Availability:
    monkeypatch.setattr("touchstone_chassis.availability.ASKED_FIRST_S", 0.001)
    return Availability(database.answers)


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def parking(availability: Availability, connection: Connection) -> Any:
    parking = Parking()
    parking.availability = lambda: availability
    vars(parking).update(publisher=connection, _service="toy")
    with config.patch({"retry_delays_s": [1, 10]}):
        yield parking


@pytest.fixture
def delivery(connection: Connection) -> Delivery:
    message = amqp.Message(b"{}", application_headers={}, message_id="m-1")
    message.delivery_info = {"routing_key": "q", "exchange": "", "delivery_tag": 1}
    return Delivery("q", message, connection, connection)  # type: ignore[arg-type]


def test_what_fails_time_and_again_though_the_database_is_there_is_retried_and_counted(parking, delivery, connection):
    put_off = [parking.put_off(delivery, TOO_SLOW) for _ in range(PUT_OFFS_MAX + 1)]

    assert put_off == [True] * PUT_OFFS_MAX + [False]
    assert connection.done == ["put off"] * PUT_OFFS_MAX + ["acknowledged"]
    assert connection.published == [("toy.retry.1s", 1)]


def test_what_settles_in_such_a_failure_by_another_way_is_retried_as_well(parking, delivery, connection):
    for _ in range(PUT_OFFS_MAX + 1):
        parking.retry_or_give_up(delivery, TOO_SLOW)

    assert delivery.settled and len(connection.published) == 1


@pytest.mark.parametrize("found_by", ["doubted", "lost"])
@pytest.mark.parametrize("fails", ["during", "afterwards"])
def test_no_number_of_outages_is_counted(parking, delivery, connection, availability, database, found_by, fails):
    for _outage in range(3 * PUT_OFFS_MAX):
        database.there, before = False, availability.changes
        getattr(availability, found_by)()
        if fails == "during":
            parking.put_off(delivery, AutoReconnect("refused"))
        eventually(lambda known=before: availability.changes > known)  # asked, in vain
        database.there = True
        assert availability.wait(5)
        if fails == "afterwards":  # on a connection from before, say
            parking.put_off(delivery, TOO_SLOW)

    assert connection.published == [] and not delivery.settled


def test_a_database_that_goes_away_at_the_last_try_is_waited_for(parking, delivery, connection, database):
    for _ in range(PUT_OFFS_MAX):
        parking.put_off(delivery, TOO_SLOW)
    database.there = False

    assert parking.put_off(delivery, TOO_SLOW)
    database.there = True
    again = [parking.put_off(delivery, TOO_SLOW) for _ in range(PUT_OFFS_MAX)]

    assert again == [True] * PUT_OFFS_MAX
    assert connection.published == []


def test_a_failure_of_another_way_lets_the_database_be_asked(parking, delivery, availability, database, connection):
    database.there = False

    parking.retry_or_give_up(delivery, TOO_SLOW)

    assert not availability.wait(0) and connection.done == ["put off"]
    availability.stop()


def test_a_drain_leaves_it_to_the_next_process(parking, delivery, connection):
    for _ in range(PUT_OFFS_MAX):
        parking.put_off(delivery, TOO_SLOW)
    connection.draining = True

    parking.put_off(delivery, TOO_SLOW)

    assert delivery.settled and connection.published == []


def test_what_was_put_off_is_committed_by_itself_when_it_is_begun_again(parking, delivery):
    begun: list[Work] = []
    entrypoint = WorkEntrypoint()
    container = SimpleNamespace(spawn_worker=lambda _entrypoint, args, _kwargs: begun.extend(args))
    vars(entrypoint).update(core=SimpleNamespace(unit=lambda: UnitOfWork(None)), container=container)

    entrypoint.spawn(delivery)
    parking.put_off(delivery, TOO_SLOW)
    entrypoint.spawn(delivery)

    assert [work.unit.suspect for work in begun] == [False, True]
