"""A broker of several addresses of which one is refused, one accepts and says nothing, and one answers."""

import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import eventlet
import nameko
import pika
import pytest
import requests

from touchstone_chassis.amqp import connections
from touchstone_chassis.amqp.publisher import ConfirmingPublisher, Outcome, Outgoing
from touchstone_chassis.rpc.replies import ReplyPublisher
from touchstone_contracts.addresses import addresses_of, split
from touchstone_contracts.topology import dead_letter
from touchstone_devkit.eventually import eventually, patience
from touchstone_devkit.processes.ports import free_ports


def with_hosts(amqp_uri: str, *hosts: str) -> str:
    parts = urllib.parse.urlsplit(amqp_uri)
    credentials = parts.netloc.rpartition("@")[0]
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{credentials}@{','.join(hosts)}"))


def host_of(uri: str) -> str:
    return urllib.parse.urlsplit(uri).netloc.rpartition("@")[2]


@pytest.fixture
def refusing() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def proxy(amqp_uri: str, proxied: Any) -> Any:
    return proxied(amqp_uri)


@pytest.fixture
def several(amqp_uri: str, proxy: Any, refusing: str) -> str:
    """The node behind the proxy comes first, the one that refuses second, the good one last."""
    uri = with_hosts(amqp_uri, host_of(proxy.uri), refusing, host_of(amqp_uri))
    _, second, last = split(uri)
    addresses_of(uri).avoid(second)
    addresses_of(uri).avoid(last)
    return uri


@pytest.fixture
def publisher(toy: Any, several: str) -> Iterator[ConfirmingPublisher]:
    publisher = ConfirmingPublisher(several, confirm_timeout_s=1)
    yield publisher
    publisher.close()


class FromNobody:
    """A request whose caller has gone."""

    def attribute(self, name: str) -> str | None:
        return "no-such-queue" if name == "reply_to" else None


@pytest.fixture
def replies(toy: Any, several: str) -> Iterator[ReplyPublisher]:
    with nameko.config.patch({"AMQP_URI": several, "confirm_timeout_s": 5}):
        replies = ReplyPublisher()
        yield replies
        replies.stop()


def message() -> Outgoing:
    return Outgoing(dead_letter("toy"), "k", b"x", tag="1")


def test_a_connection_finds_the_address_that_answers(several: str, proxy: Any) -> None:
    proxy.stall()

    with eventlet.Timeout(10):
        connection = connections.connect(several)

    assert connection.connected
    assert connection.address == split(several)[-1]
    connections.close_quietly(connection)


def test_where_no_address_answers_the_error_is_one_of_a_connection(refusing: str) -> None:
    with pytest.raises(connections.CONNECTION_ERRORS):
        connections.connect(f"amqp://guest:guest@{refusing},{refusing}/")


def test_a_publisher_whose_node_confirms_no_more_goes_on_with_another(publisher: Any, proxy: Any) -> None:
    assert publisher.publish([message()]) == [Outcome.CONFIRMED]
    proxy.stall()
    began = time.monotonic()

    assert publisher.publish([message()]) == [Outcome.UNKNOWN]
    assert publisher.publish([message()]) == [Outcome.CONFIRMED]

    assert time.monotonic() - began < 3 * patience()


def test_answers_that_nobody_takes_make_the_next_ones_go_by_another_node(replies: ReplyPublisher, several: str) -> None:
    first, _, good = split(several)
    replies.send(FromNobody(), b"1", None)  # type: ignore[arg-type]
    assert replies.address == first

    def sent_by() -> str:
        replies.send(FromNobody(), b"1", None)  # type: ignore[arg-type]
        return replies.address

    eventually(lambda: sent_by() == good)
    assert {sent_by() for _ in range(20)} == {good}, "it moves no more for a while"


def test_an_answer_is_not_given_to_a_connection_that_the_broker_has_ended(
    replies: ReplyPublisher, several: str, amqp_uri: str, backing: Any
) -> None:
    addresses_of(several).avoid(split(several)[0])
    addresses_of(several).avoid(split(several)[1])
    if not backing.management_uri:
        pytest.skip("without the management API connections cannot be ended one by one")
    with pika.BlockingConnection(pika.URLParameters(amqp_uri)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "nameko-rpc", "no-such-queue")
        replies.send(FromNobody(), b"1", None)  # type: ignore[arg-type]
        eventually(lambda: channel.basic_get(queue, auto_ack=True)[2])
        eventually(lambda: end_connections(backing.management_uri, amqp_uri, "replies"), within_s=30, every_s=0.2)

        replies.send(FromNobody(), b"2", None)  # type: ignore[arg-type]

        assert b'"result":2' in eventually(lambda: channel.basic_get(queue, auto_ack=True)[2])


def end_connections(management_uri: str, amqp_uri: str, purpose: str) -> int:
    """How many were ended: those of the virtual host whose names end so."""
    vhost = urllib.parse.urlsplit(amqp_uri).path[1:]
    found = [
        known["name"]
        for known in requests.get(f"{management_uri}/api/vhosts/{vhost}/connections", timeout=10).json()
        if known.get("client_properties", {}).get("connection_name", "").endswith(purpose)
    ]
    for name in found:
        requests.delete(f"{management_uri}/api/connections/{urllib.parse.quote(name)}", timeout=10).raise_for_status()
    return len(found)
