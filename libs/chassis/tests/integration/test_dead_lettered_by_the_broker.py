"""What the broker gives up because connections broke goes back; what ends its process is parked after some starts."""

import dataclasses
import datetime
import uuid
from typing import Any

import eventlet
import pytest

from touchstone_chassis.amqp import connections
from touchstone_chassis.consuming import poison
from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_contracts import topology
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import dead_letter, event_queue
from touchstone_devkit.eventually import eventually

QUEUE = event_queue("toy", BodyAccredited.type_name)
DAY = datetime.date(2026, 1, 1)
LIMIT = 4


@pytest.fixture
def inherited() -> tuple[type, ...]:
    return (DeadLetterApi,)


@pytest.fixture(autouse=True)
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker gives up early, so that the tests are short."""
    monkeypatch.setattr(topology, "DELIVERY_LIMIT", LIMIT)


def an_accreditation(body_id: str) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1")


def lose_the_connection(resources: Any) -> None:
    """As a death of the process looks to the broker."""
    session = resources.consumer.channels
    connections.close_quietly(session.connection)
    eventually(lambda: resources.consumer.channels not in (None, session) and resources.consumer._check()[0])


def test_messages_that_were_only_prefetched_are_not_parked_however_often_the_process_dies(bus, resources, database):
    resources.consumer._work.useful = lambda timeout_s: bool(
        eventlet.sleep(timeout_s)
    )  # a process that dies before its handlers start
    for number in range(6):
        bus.publish_event(an_accreditation(f"b-{number}"))
    for _ in range(2 * LIMIT + 2):
        eventually(lambda: bus.count(QUEUE) == 0)
        lose_the_connection(resources)

    resources.consumer._work.useful = resources.circuit_breaker.wait

    eventually(lambda: database["things"].count_documents({}) == 6, within_s=30)
    eventually(lambda: bus.count(dead_letter("toy")) == 0)
    assert database["dead_letters"].count_documents({}) == 0


def test_a_message_that_the_broker_gave_up_after_many_starts_stays_given_up(bus, resources, database, monkeypatch):
    monkeypatch.setattr(poison, "STARTS_MAX", 0)
    consumed = resources.consumer._queues
    consumed[QUEUE] = dataclasses.replace(consumed[QUEUE], handler=lambda delivery: delivery.abandon())
    bus.publish_event(an_accreditation("b-1"))
    for _ in range(LIMIT + 1):
        eventually(lambda: bus.count(QUEUE) == 0)
        lose_the_connection(resources)

    kept = eventually(lambda: database["dead_letters"].find_one({}))

    assert (kept["state"], kept["reason"]) == ("parked", "delivery_limit")
    assert database["things"].count_documents({}) == 0
