"""The runbook "change the arguments of a queue", rehearsed: with a pause, and with a new queue beside the old one."""

import datetime
import json
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pymongo import MongoClient

from touchstone.provisioning.provision import ProvisioningFailed, provision
from touchstone_contracts import topology
from touchstone_contracts.envelope import CONTENT_TYPE, wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import ServiceTopology, event_queue, events_exchange
from touchstone_devkit.eventually import eventually
from touchstone_devkit.processes.ports import free_ports
from touchstone_testing.event_keys import event_keys

SERVICE = """
import os
import touchstone_chassis.handlers.events as events
from touchstone_chassis.api import on_event
from touchstone_chassis.api import Health, Stored
from touchstone_contracts import topology
from touchstone_contracts.events.assessment import BodyAccredited

named = events.event_queue
events.event_queue = lambda service, type_name: named(service, type_name) + os.environ.get("SUFFIX", "")
topology.DELIVERY_LIMIT = int(os.environ.get("LIMIT", topology.DELIVERY_LIMIT))

class Things:
    def __init__(self, unit):
        self.unit = unit

class Toy:
    name = "process"
    health, things = Health(), Stored(Things)

    @on_event(BodyAccredited)
    def take(self, event, envelope):
        unit = self.things.unit
        thing = unit.find_one("things", {"_id": event.body_id}) or {"_id": event.body_id, "version": 0, "count": 0}
        unit.save("things", thing | {"count": thing["count"] + 1})
"""
OLD = event_queue("process", BodyAccredited.type_name)
NEW = f"{OLD}.q2"
NEEDED = ServiceTopology(service="process", consumes=[BodyAccredited])
DAY = datetime.date(2026, 1, 1)


@pytest.fixture
def source() -> str:
    return SERVICE


@pytest.fixture
def processes() -> ServiceTopology:
    return NEEDED


@pytest.fixture
def things(environ: dict[str, str]) -> Iterator[Any]:
    with MongoClient(environ["MONGO_URI"]) as client:
        yield client[f"{environ['PREFIX']}_process"]["things"]


@pytest.fixture
def channel(environ: dict[str, str]) -> Iterator[Any]:
    with pika.BlockingConnection(pika.URLParameters(environ["AMQP_URI"])) as connection:
        yield connection.channel()


class Producer:
    """Publishes to the exchange, as a service would, until it is told to stop."""

    def __init__(self, amqp_uri: str):
        self.published: list[str] = []
        self._uri, self._over, self._name = amqp_uri, threading.Event(), uuid.uuid4().hex[:6]
        self._thread = threading.Thread(target=self._publish)
        self._thread.start()

    def stop(self) -> set[str]:
        self._over.set()
        self._thread.join()
        return set(self.published)

    def _publish(self) -> None:
        with pika.BlockingConnection(pika.URLParameters(self._uri)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            while not self._over.wait(0.05):
                body_id = f"{self._name}-{len(self.published)}"
                message = an_accreditation(body_id)
                body = json.dumps(message).encode()
                properties = pika.BasicProperties(
                    content_type=CONTENT_TYPE,
                    message_id=message["id"],
                    delivery_mode=2,
                    headers=event_keys().headers("assessment", body),
                )
                channel.basic_publish(events_exchange("assessment"), BodyAccredited.routing_key, body, properties)
                self.published.append(body_id)


@pytest.fixture
def producer(environ: dict[str, str]) -> Iterator[Producer]:
    producer = Producer(environ["AMQP_URI"])
    yield producer
    producer.stop()


def an_accreditation(body_id: str) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="c")


def length(channel: Any, queue: str) -> int:
    return channel.queue_declare(queue, passive=True).method.message_count


def test_with_a_pause_the_queue_is_made_anew_and_the_service_works_again(
    environ, start, things, channel, producer, monkeypatch
):
    process = start().until_ready()
    eventually(lambda: things.count_documents({}) > 5)
    published = producer.stop()
    eventually(lambda: length(channel, OLD) == 0 and things.count_documents({}) == len(published))
    process.signal()
    process.exit_code()
    monkeypatch.setattr(topology, "DELIVERY_LIMIT", 40)
    with pytest.raises(ProvisioningFailed, match=f"queue {OLD} exists with another x-delivery-limit"):
        provision(environ["AMQP_URI"], environ["MONGO_URI"], environ["PREFIX"], [NEEDED])

    for queue in (OLD, "rpc-process"):
        with pika.BlockingConnection(pika.URLParameters(environ["AMQP_URI"])) as connection:
            connection.channel().queue_delete(queue)
    provision(environ["AMQP_URI"], environ["MONGO_URI"], environ["PREFIX"], [NEEDED])

    start(LIMIT="40").until_ready()
    more = Producer(environ["AMQP_URI"])
    eventually(lambda: len(more.published) > 5)
    published |= more.stop()
    eventually(lambda: things.count_documents({"count": 1}) == len(published))


def test_without_a_pause_a_new_queue_takes_over_and_every_event_takes_effect_once(
    environ, start, things, channel, producer, monkeypatch
):
    ports = [str(port) for port in free_ports(2)]
    old = start(PORT=ports[0]).until_ready()
    eventually(lambda: things.count_documents({}) > 5)
    named = topology.event_queue
    monkeypatch.setattr(topology, "event_queue", lambda service, type_name: named(service, type_name) + ".q2")

    provision(environ["AMQP_URI"], environ["MONGO_URI"], environ["PREFIX"], [NEEDED])
    start(PORT=ports[1], SUFFIX=".q2").until_ready()
    both = len(producer.published)
    eventually(lambda: len(producer.published) > both + 20)
    channel.queue_unbind(OLD, events_exchange("assessment"), BodyAccredited.routing_key)
    eventually(lambda: length(channel, OLD) == 0)
    old.signal()
    assert old.exit_code() == 0
    assert length(channel, OLD) == 0
    channel.queue_delete(OLD)
    alone = len(producer.published)
    eventually(lambda: len(producer.published) > alone + 10)

    published = producer.stop()
    eventually(lambda: things.count_documents({}) == len(published), within_s=30)
    assert things.count_documents({"count": 1}) == len(published)
