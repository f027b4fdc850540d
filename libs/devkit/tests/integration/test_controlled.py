"""Servers that tests hurt: one of each for most tests, three of each for one."""

import contextlib
import time
from collections.abc import Iterator

import pika
import pika.exceptions
import pytest
from pymongo import MongoClient

from touchstone_devkit.backing.sources import Unavailable
from touchstone_devkit.chaos.controlled import ControlledBacking
from touchstone_devkit.eventually import eventually
from touchstone_devkit.processes.ports import answers

pytestmark = pytest.mark.long  # the fault tests hurt such servers each time

QUORUM = {"x-queue-type": "quorum"}
WRITTEN_DOWN_AFTER_S = 1.0
"""RabbitMQ 3.10 forgets a quorum queue if it is killed sooner after the declaration."""


def controlled(count: int) -> ControlledBacking:
    try:
        return ControlledBacking(broker_nodes=count, mongo_members=count)
    except Unavailable as reason:
        pytest.skip(f"native servers cannot be had here: {reason}")


@pytest.fixture(scope="module")
def single() -> Iterator[ControlledBacking]:
    with controlled(1) as backing:
        yield backing


@pytest.fixture
def channel(single: ControlledBacking) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(single.amqp_uri))
    yield connection.channel()
    with contextlib.suppress(pika.exceptions.AMQPError):
        connection.close()


def publish(amqp_uri: str, queue: str) -> None:
    parameters = pika.URLParameters(amqp_uri)
    parameters.blocked_connection_timeout = 2
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"body", pika.BasicProperties(delivery_mode=2), mandatory=True)


def is_published(amqp_uri: str, queue: str) -> bool:
    try:
        publish(amqp_uri, queue)
    except (pika.exceptions.AMQPError, OSError):
        return False
    return True


@pytest.mark.parametrize("end", ["term", "kill"])
def test_a_node_that_was_ended_comes_back_with_its_ports_and_messages(single: ControlledBacking, end: str) -> None:
    (node,) = single.broker.nodes
    with pika.BlockingConnection(pika.URLParameters(single.amqp_uri)) as connection:
        connection.channel().queue_declare(end, durable=True, arguments=QUORUM)
    declared_at = time.monotonic()
    publish(single.amqp_uri, end)
    eventually(lambda: time.monotonic() - declared_at > WRITTEN_DOWN_AFTER_S)

    getattr(node, end)()
    assert not node.is_running
    node.start()

    with pika.BlockingConnection(pika.URLParameters(single.amqp_uri)) as connection:
        assert connection.channel().basic_get(end, auto_ack=True)[2] == b"body"


@pytest.mark.parametrize("alarm", ["memory_alarm", "disk_alarm"])
def test_an_alarm_blocks_publishers_until_it_ends(single: ControlledBacking, alarm: str, channel) -> None:  # type: ignore[no-untyped-def]
    channel.queue_declare(alarm, durable=True, arguments=QUORUM)

    getattr(single.broker, alarm)(True)
    with pytest.raises(pika.exceptions.ConnectionBlockedTimeout):
        publish(single.amqp_uri, alarm)
    getattr(single.broker, alarm)(False)

    eventually(lambda: is_published(single.amqp_uri, alarm))


def test_closed_connections_hear_it_and_a_deleted_queue_is_gone(single: ControlledBacking, channel) -> None:  # type: ignore[no-untyped-def]
    channel.queue_declare("short-lived", durable=True, arguments=QUORUM)
    assert single.broker.leader_of("short-lived") == 0

    single.broker.delete_queue("short-lived")
    single.broker.close_all_connections()

    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        channel.connection.process_data_events(time_limit=10)
    with pytest.raises(KeyError):
        single.broker.leader_of("short-lived")
    with pytest.raises(KeyError):
        single.broker.delete_queue("short-lived")


def test_a_frozen_member_answers_nothing_until_it_thaws(single: ControlledBacking) -> None:
    (member,) = single.mongo.members

    member.freeze()
    with pytest.raises(Exception, match="timed out"):
        member.hello()
    member.thaw()

    assert eventually(member.hello)["isWritablePrimary"]


@pytest.mark.parametrize("end", ["term", "kill"])
def test_a_member_that_was_ended_comes_back_with_its_data(single: ControlledBacking, end: str) -> None:
    (member,) = single.mongo.members
    with MongoClient(single.mongo_uri) as client:
        client.devkit.kept.insert_one({"_id": end})

    getattr(member, end)()
    member.start()

    assert single.mongo.primary() == 0
    with MongoClient(single.mongo_uri) as client:
        assert client.devkit.kept.find_one({"_id": end})


def test_a_single_member_that_steps_down_is_elected_again(single: ControlledBacking) -> None:
    single.mongo.step_down()

    assert not single.mongo.members[0].hello()["isWritablePrimary"]
    assert single.mongo.primary() == 0


def test_three_nodes_outlive_the_loss_of_the_leader_and_pause_the_node_that_is_cut_off() -> None:
    with controlled(3) as backing:
        broker = backing.broker
        with pika.BlockingConnection(pika.URLParameters(broker.nodes[0].amqp_uri)) as connection:
            connection.channel().queue_declare("replicated", durable=True, arguments=QUORUM)
        leader = broker.leader_of("replicated")
        follower = broker.nodes[(leader + 1) % 3]

        broker.nodes[leader].kill()
        eventually(lambda: is_published(follower.amqp_uri, "replicated"), within_s=30)
        assert broker.leader_of("replicated") != leader
        broker.nodes[leader].start()

        cut = broker.leader_of("replicated")
        host, _, port = broker.nodes[cut].host.partition(":")
        broker.cut_off(cut)
        eventually(lambda: not answers(host, int(port)), within_s=40, every_s=0.2)
        eventually(lambda: is_published(broker.nodes[(cut + 1) % 3].amqp_uri, "replicated"), within_s=30)
        broker.heal()
        eventually(lambda: is_published(broker.nodes[cut].amqp_uri, "replicated"), within_s=60, every_s=0.5)

        first = backing.mongo.primary()
        backing.mongo.members[first].kill()
        assert backing.mongo.primary() != first
