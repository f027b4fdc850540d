"""Many large bodies at once: each is parked or handled, and few of them are in memory at a time."""

import datetime
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import eventlet
import pika
import pytest
from pymongo import MongoClient

from touchstone_chassis.amqp import bodies, connections
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import ServiceTopology, dead_letter, event_queue
from touchstone_devkit.eventually import eventually

SERVICE = """
from touchstone_chassis.api import Health, OperatorApi, on_event
from touchstone_contracts.events.assessment import BodyAccredited

class Toy(OperatorApi):
    name = "process"
    health = Health()

    @on_event(BodyAccredited)
    def take(self, event, envelope):
        pass
"""
QUEUE = event_queue("process", BodyAccredited.type_name)
MEGABYTES_MAX = 200


@pytest.fixture
def source() -> str:
    return SERVICE


@pytest.fixture
def processes() -> ServiceTopology:
    return ServiceTopology(service="process", consumes=[BodyAccredited])


@pytest.fixture
def channel(environ: dict[str, str]) -> Iterator[Any]:
    with pika.BlockingConnection(pika.URLParameters(environ["AMQP_URI"])) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


@pytest.fixture
def parked(environ: dict[str, str]) -> Iterator[Any]:
    with MongoClient(environ["MONGO_URI"]) as client:
        yield client[f"{environ['PREFIX']}_process"]["dead_letters"]


def most_memory_mb(pid: int) -> int:
    """The most that the process ever held in memory."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) // 1024


@pytest.mark.parametrize("count", [12, pytest.param(60, marks=pytest.mark.long)])
def test_events_of_10_mb_each_are_all_parked_and_few_of_them_are_in_memory(start, channel, parked, count):
    for number in range(count):
        body = b'{"padding": "' + b"x" * 10_000_000 + b'"}'
        properties = {"content_type": "application/cloudevents+json", "message_id": f"m-{number}"}
        channel.basic_publish("", QUEUE, body, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True)

    process = start().until_ready()

    eventually(lambda: parked.count_documents({"reason": "too_large"}) == count, within_s=60)
    assert most_memory_mb(process.popen.pid) < MEGABYTES_MAX
    assert {letter["size"] for letter in parked.find({}, {"size": 1})} == {10_000_015}
    eventually(lambda: channel.queue_declare(dead_letter("process"), passive=True).method.message_count == 0)


@pytest.fixture
def small_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """For two of the events below, or two of the calls."""
    monkeypatch.setattr(bodies, "BYTES_MAX", 250_000)


def an_accreditation(body_id: str) -> dict[str, Any]:
    day = datetime.date(2026, 1, 1)
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=day, valid_until=day
    )
    now = datetime.datetime.now(datetime.UTC)
    message = wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1")
    return message | {"data": message["data"] | {"padding": "x" * 90_000}}


def test_what_there_is_no_room_for_is_handled_later_and_no_call_waits_for_it(
    small_rooms, bus, behaviour, runs, database, resources
):
    go_on = eventlet.event.Event()
    ids = [f"b-{number}" for number in range(20)]
    behaviour.update(dict.fromkeys(ids, go_on.wait))
    for id in ids:
        bus.publish_event(an_accreditation(id))
    eventually(lambda: len(runs) == 2)

    answers = [bus.call("get_thing", id="nothing", padding="x" * 90_000)["error"]["code"] for _ in range(4)]
    begun = len(runs)
    go_on.send()

    assert (begun, answers) == (2, ["invalid_request"] * 4)
    eventually(lambda: database["things"].count_documents({"count": 1}) == len(ids), within_s=15)
    eventually(lambda: bus.count(event_queue("toy", BodyAccredited.type_name)) == 0)
    assert bus.count(dead_letter("toy")) == 0
    eventually(lambda: {room.taken for room in resources.consumer.channels._rooms.values()} == {0})


@pytest.mark.parametrize("routing_key", [b"toy.\xff\xfe", b"toy.get_thing"], ids=["no UTF-8", "properties unreadable"])
def test_what_is_thrown_out_before_it_is_handed_on_takes_no_room_for_ever(
    small_rooms, bus, settings, resources, routing_key
):
    class Unreadable(amqp.Message):
        def _serialize_properties(self) -> bytes:
            return bytes.fromhex("800002fffe")  # a content type that is no UTF-8

    connection = connections.connect(settings["AMQP_URI"])
    channel = connection.channel()
    for _ in range(4):
        channel._basic_publish(Unreadable(b"x" * 90_000), "nameko-rpc", routing_key)

    eventually(lambda: bus.count(dead_letter("toy")) == 4)
    assert bus.call("get_thing", id="nothing", padding="x" * 90_000)["error"]["code"] == "invalid_request"
    assert {room.taken for room in resources.consumer.channels._rooms.values()} == {0}
    connection.close()
