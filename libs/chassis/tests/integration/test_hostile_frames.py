"""Messages whose frames hold what no client library would send: parked one by one, and nobody else is disturbed."""

import json
import struct
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import amqp
import pytest

from touchstone_chassis.amqp import connections
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import dead_letter, event_queue
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import event_keys

QUEUE = event_queue("toy", BodyAccredited.type_name)


class RawMessage(amqp.Message):
    """A message whose properties go out as they were given, byte for byte."""

    raw = b""

    def _serialize_properties(self) -> bytes:
        return self.raw


def _raw(flags: int, properties: bytes) -> RawMessage:
    message = RawMessage(b"{}")
    message.raw = struct.pack(">H", flags) + properties
    return message


def _headers(item: bytes) -> bytes:
    return struct.pack(">I", len(item)) + item


UNREADABLE = {
    "a content type that is no UTF-8": (0x8000, b"\x02\xff\xfe"),
    "a correlation id that is no UTF-8": (0x0400, b"\x02\xff\xfe"),
    "a header's timestamp beyond all years": (0x2000, _headers(b"\x01tT\x7f" + b"\xff" * 7)),
}


@pytest.fixture
def publish(settings: dict[str, Any], toy: Any) -> Iterator[Callable[[amqp.Message, str, Any], None]]:
    connection = connections.connect(settings["AMQP_URI"])
    yield connection.channel()._basic_publish
    connection.close()


def _an_accreditation(body_id: str) -> dict:
    data = {"body_id": body_id, "name": "B", "standards": [], "countries": [], "activities": []}
    return {
        "specversion": "1.0",
        "id": uuid.uuid4().hex,
        "type": BodyAccredited.type_name,
        "source": "/touchstone/assessment",
        "subject": body_id,
        "time": "2026-01-01T00:00:00+00:00",
        "sequence": 1,
        "correlationid": "c",
        "data": data | {"valid_from": "2026-01-01", "valid_until": "2026-01-01"},
    }


@pytest.mark.parametrize("case", UNREADABLE)
def test_properties_that_cannot_be_read_park_their_message_alone(case, publish, bus, resources, database):
    session = resources.consumer.channels

    publish(_raw(*UNREADABLE[case]), "", QUEUE)
    bus.publish_event(_an_accreditation("b-1"))

    assert eventually(lambda: bus.count(dead_letter("toy")), within_s=5) == 1
    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}), within_s=5)
    assert resources.consumer.channels is session


def test_a_routing_key_that_cannot_be_read_parks_its_message_alone(publish, bus, resources, database):
    session = resources.consumer.channels

    publish(amqp.Message(b"{}"), "nameko-rpc", b"toy.\xff\xfe")
    bus.publish_event(_an_accreditation("b-1"))

    assert eventually(lambda: bus.count(dead_letter("toy")), within_s=5) == 1
    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}), within_s=5)
    assert resources.consumer.channels is session


def test_headers_that_leave_no_room_for_ours_park_their_message_and_hold_no_worker(bus, database):
    for _ in range(10):  # more than there are workers
        bus.put(QUEUE, b"{", content_type="application/cloudevents+json", headers={"large": "x" * 130_900})
    bus.publish_event(_an_accreditation("b-1"))

    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}), within_s=5)
    assert eventually(lambda: bus.count(dead_letter("toy")) == 10)


def test_a_retry_makes_no_copies_whatever_the_sender_wished(bus, database, behaviour):
    failures = [ValueError("once")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    behaviour["b-1"] = fail_once
    bystander, event = "listener.membership.organisation_registered.v1", _an_accreditation("b-1")
    headers = {"CC": [bystander]} | event_keys().headers("assessment", json.dumps(event).encode())

    bus.put(QUEUE, event, content_type="application/cloudevents+json", message_id=event["id"], headers=headers)

    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}))
    heard = [json.loads(body)["type"] for _, body in iter(lambda: bus.take(bystander), None)]
    assert heard.count(BodyAccredited.type_name) == 1  # the broker's own copy; not another with the retry
