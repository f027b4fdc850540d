"""A queue that is missing or deleted, and a channel that the broker closes: the other queues go on."""

import datetime
import uuid
from typing import Any

import pytest

from touchstone_chassis.amqp.channels import ConsumerChannels
from touchstone_chassis.consuming.retry import RETURNED_MAX
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import event_queue, retry_queue
from touchstone_devkit.eventually import eventually

QUEUE = event_queue("toy", BodyAccredited.type_name)
DAY = datetime.date(2026, 1, 1)


def an_accreditation(body_id: str) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1")


def consumers(resources: Any) -> tuple[bool, str]:
    return resources.consumer._check()


@pytest.fixture
def missing(request: Any) -> list[str]:
    return getattr(request, "param", [])


@pytest.mark.parametrize("missing", [[QUEUE]], indirect=True)
def test_a_queue_that_is_missing_at_the_start_keeps_nobody_from_the_others(bus, resources, provisioned, database):
    # Not before the others are consumed: until then they are "lost just now".
    found = eventually(lambda: "just now" not in (now := consumers(resources))[1] and QUEUE in now[1] and now)

    answer = bus.call("get_thing", id="nothing")

    assert answer["error"]["code"] == "not_found"
    assert found == (False, f"not consuming {QUEUE}: it does not exist: run `touchstone provision`")
    provisioned()
    bus.publish_event(an_accreditation("b-1"))
    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}))
    assert consumers(resources)[0]


def test_a_queue_that_is_deleted_under_us_is_missed_and_consumed_again_when_it_is_back(
    bus, resources, provisioned, database
):
    bus.channel.queue_delete(QUEUE)

    eventually(lambda: not consumers(resources)[0], within_s=5)
    answer = bus.call("get_thing", id="nothing")
    provisioned()
    bus.publish_event(an_accreditation("b-1"))

    assert answer["error"]["code"] == "not_found"
    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}))
    assert eventually(lambda: consumers(resources)[0])


def test_a_retry_queue_that_is_gone_holds_no_worker_for_ever(bus, behaviour, database):
    def fail() -> None:
        raise ValueError

    bus.channel.queue_delete(retry_queue("toy", 1))
    ids = [f"b-{number}" for number in range(8)]  # as many as there are workers
    behaviour.update(dict.fromkeys(ids, fail))
    for id in [*ids, "b-good"]:
        bus.publish_event(an_accreditation(id))

    assert eventually(lambda: database["things"].find_one({"_id": "b-good"}), within_s=RETURNED_MAX + 3)
    reasons = [bus.dead_letter()[0].headers["touchstone-reason"] for _ in ids]
    assert set(reasons) == {"not_retried"}


def test_a_channel_that_the_broker_closes_costs_the_other_queues_nothing(bus, resources, database):
    session: ConsumerChannels = resources.consumer.channels
    connection = session.connection
    channels = len(connection.channels)

    with session._writing:
        session._channels[QUEUE].basic_ack(4711)  # no such delivery: the broker closes the channel

    eventually(lambda: not consumers(resources)[0], within_s=5)
    assert bus.call("get_thing", id="nothing")["error"]["code"] == "not_found"
    assert eventually(lambda: consumers(resources)[0])
    bus.publish_event(an_accreditation("b-1"))
    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}))
    assert resources.consumer.channels is session and session.connection is connection
    assert len(connection.channels) == channels
