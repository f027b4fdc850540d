"""Many large bodies at once: each is parked or handled, and few of them are in memory at a time."""

import datetime
import gc
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
QUEUE_OF_TOY = event_queue("toy", BodyAccredited.type_name)
CLOUD, JSON = "application/cloudevents+json", "application/json"
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
    small_rooms, bus, issuer, behaviour, runs, database, resources
):
    go_on = eventlet.event.Event()
    ids = [f"b-{number}" for number in range(20)]
    behaviour.update(dict.fromkeys(ids, go_on.wait))
    for id in ids:
        bus.publish_event(an_accreditation(id))
    eventually(lambda: len(runs) == 2)

    large = {"id": "nothing", "padding": "x" * 90_000}
    answers = [bus.call("get_thing", issuer.token(), **large)["error"]["code"] for _ in range(4)]
    begun = len(runs)
    go_on.send()

    assert (begun, answers) == (2, ["invalid_request"] * 4)
    eventually(lambda: database["things"].count_documents({"count": 1}) == len(ids), within_s=15)
    eventually(lambda: bus.count(QUEUE_OF_TOY) == 0)
    assert bus.count(dead_letter("toy")) == 0
    eventually(lambda: {room.taken for room in resources.consumer.channels._rooms.values()} == {0})


def put(queue: str, body: bytes, content_type: str, **properties: Any) -> Any:
    return lambda bus, token: bus.put(
        queue,
        body,
        content_type=content_type,
        headers={"authorization": token},
        **{name: value() for name, value in properties.items()},
    )


def call(method: str, **arguments: Any) -> Any:
    return lambda bus, token: bus.call(
        method, token, **{name: value() if callable(value) else value for name, value in arguments.items()}
    )


def an_id() -> str:
    return uuid.uuid4().hex


HANDLED = {
    "an event": lambda bus, _token: bus.publish_event(an_accreditation(an_id())),
    "a query": call("get_thing", id="x"),
    "a command": call("name_thing", idempotency_key=an_id, id=an_id, label=an_id),
    "a call that is no JSON": lambda bus, _token: bus.ask("get_thing", b"{"),
    "a call of another form": call("get_thing", id="x", more=1),
    "a call that is refused": call("remind", idempotency_key=an_id),
    "a call without a token": lambda bus, _token: bus.call("remind", idempotency_key="k", id="x"),
    "a method that is none": call("no_method"),
    "an event that is no JSON": put(QUEUE_OF_TOY, b"{", CLOUD),
    "an event of another form": put(QUEUE_OF_TOY, b"{}", CLOUD),
    "an event that fails": lambda bus, _token: bus.publish_event(an_accreditation("failing")),
    "a message that is no JSON": put("toy.intake", b"{", JSON, message_id=an_id),
    "a message without an id": put("toy.intake", b"{}", JSON),
    "a message that is refused": put("toy.intake", b"{}", JSON, message_id=an_id),
    "a message without a token": lambda bus, _token: bus.put(
        "toy.intake", b"{}", content_type=JSON, message_id=an_id()
    ),
}


@pytest.fixture
def without_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("case", HANDLED)
def test_what_was_handled_or_refused_leaves_memory_at_once(
    without_collections, bus, behaviour, resources, issuer, case
):
    def fail() -> None:
        raise ValueError

    behaviour["failing"] = fail
    role = {"cab": "dnv"} if "message" in case else {}

    for _ in range(6):
        HANDLED[case](bus, issuer.token("assessor" if role else "secretariat", **role))

    channels = resources.consumer.channels
    eventually(lambda: sum(bus.count(queue) for queue in (QUEUE_OF_TOY, "rpc-toy", "toy.intake")) == 0)
    eventually(lambda: channels.in_flight == 0)
    # What was handed on last is known to whoever waits for the next. What failed comes again, and writing its traceback
    # takes long on a busy machine.
    eventually(lambda: len([thing for thing in gc.get_objects() if type(thing) is bodies.Received]) <= 2)


@pytest.mark.parametrize("routing_key", [b"toy.\xff\xfe", b"toy.get_thing"], ids=["no UTF-8", "properties unreadable"])
def test_what_is_thrown_out_before_it_is_handed_on_takes_no_room_for_ever(
    small_rooms, bus, issuer, settings, resources, routing_key
):
    class Unreadable(amqp.Message):
        def _serialize_properties(self) -> bytes:
            return bytes.fromhex("800002fffe")  # a content type that is no UTF-8

    connection = connections.connect(settings["AMQP_URI"])
    channel = connection.channel()
    for _ in range(4):
        channel._basic_publish(Unreadable(b"x" * 90_000), "nameko-rpc", routing_key)

    eventually(lambda: bus.count(dead_letter("toy")) == 4)
    large = {"id": "nothing", "padding": "x" * 90_000}
    assert bus.call("get_thing", issuer.token(), **large)["error"]["code"] == "invalid_request"
    assert {room.taken for room in resources.consumer.channels._rooms.values()} == {0}
    connection.close()
