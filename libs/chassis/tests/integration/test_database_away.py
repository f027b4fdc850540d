"""While the database is away calls are answered, events wait without a worker, and nothing is counted against them."""

import datetime
import time
import uuid
from typing import Any

import pytest
from pymongo.errors import NetworkTimeout

from touchstone_chassis.consuming.retry import DEFERRALS_MAX
from touchstone_chassis.handlers import execution
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import dead_letter, event_queue, retry_queue
from touchstone_devkit.backing.replica_set import directly
from touchstone_devkit.eventually import eventually, patience

QUEUE = event_queue("toy", BodyAccredited.type_name)
DAY = datetime.date(2026, 1, 1)
EVENTS = 24


def an_accreditation(body_id: str) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1")


@pytest.fixture
def way_to_the_database(settings: dict[str, Any], proxied: Any) -> Any:
    """A proxy that the toy reaches its database through: the set's own names would lead past it."""
    proxy = proxied(directly(settings["MONGO_URI"]))
    settings["MONGO_URI"] = proxy.uri
    return proxy


def asked(bus: Any, timeout_s: float) -> tuple[dict[str, Any], float]:
    """The answer to a query that needs the database, and how long it took."""
    began = time.monotonic()
    headers = {"nameko.deadline": int((time.time() + timeout_s) * 1000)}
    return bus.call("get_thing", id="nothing", headers=headers), time.monotonic() - began


def test_calls_are_answered_while_more_events_wait_than_there_are_workers(
    way_to_the_database, toy, bus, resources, database, runs
):
    way_to_the_database.stall()
    for number in range(EVENTS):
        bus.publish_event(an_accreditation(f"b-{number}"))
    eventually(lambda: bus.count(QUEUE) == EVENTS - 8)  # the prefetch

    first, first_took_s = asked(bus, 3)
    eventually(lambda: resources.circuit_breaker.open_for_s > execution.PATIENCE_S, within_s=40)
    later, later_took_s = asked(bus, 30)

    way_to_the_database.resume()
    back = time.monotonic()
    eventually(lambda: database["things"].count_documents({}) == EVENTS, within_s=30)
    went_on_s = time.monotonic() - back
    assert first["error"]["code"] in ("unavailable", "deadline_exceeded") and first_took_s < 4 * patience()
    assert later["error"]["code"] == "unavailable" and later_took_s < 1.5 * patience()
    assert went_on_s < 15 * patience()
    assert database["inbox"].count_documents({"retries": {"$gt": 0}}) == 0
    assert bus.count(dead_letter("toy")) == bus.count(retry_queue("toy", 1)) == 0


def test_a_stop_does_not_wait_for_a_database_that_is_away(way_to_the_database, toy, bus, resources):
    way_to_the_database.stall()
    for number in range(EVENTS):
        bus.publish_event(an_accreditation(f"b-{number}"))
    eventually(lambda: resources.circuit_breaker.open_for_s > 0, within_s=40)
    began = time.monotonic()

    toy.stop()

    assert time.monotonic() - began < 25 * patience()
    way_to_the_database.resume()


def test_an_event_that_takes_the_database_too_long_holds_nobody_up_and_is_given_up(
    bus, resources, database, runs, behaviour
):
    def take_too_long() -> None:
        raise NetworkTimeout("timed out")

    behaviour["slow"] = take_too_long
    bus.publish_event(an_accreditation("slow"))
    for number in range(EVENTS):
        bus.publish_event(an_accreditation(f"b-{number}"))

    properties, _body = bus.dead_letter()

    assert properties.headers["touchstone-reason"] == "retries_exhausted"
    assert runs.count("slow") == 2 * (DEFERRALS_MAX + 1)
    eventually(lambda: database["things"].count_documents({}) == EVENTS)
    assert resources.circuit_breaker.changes == 0
