"""A broker of several addresses of which one is refused, one accepts and says nothing, and one answers."""

import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import eventlet
import pytest

from touchstone_chassis import broker
from touchstone_chassis.publishing import ConfirmingPublisher, Outcome, Outgoing
from touchstone_contracts.addresses import addresses_of, split
from touchstone_contracts.topology import dead_letter
from touchstone_devkit.ports import free_ports


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


def message() -> Outgoing:
    return Outgoing(dead_letter("toy"), "k", b"x", tag="1")


def test_a_connection_finds_the_address_that_answers(several: str, proxy: Any) -> None:
    proxy.stall()

    with eventlet.Timeout(10):
        connection = broker.connect(several)

    assert connection.connected
    assert connection.address == split(several)[-1]
    broker.close_quietly(connection)


def test_where_no_address_answers_the_error_is_one_of_a_connection(refusing: str) -> None:
    with pytest.raises(broker.CONNECTION_ERRORS):
        broker.connect(f"amqp://guest:guest@{refusing},{refusing}/")


def test_a_publisher_whose_node_confirms_no_more_goes_on_with_another(publisher: Any, proxy: Any) -> None:
    assert publisher.publish([message()]) == [Outcome.CONFIRMED]
    proxy.stall()
    began = time.monotonic()

    assert publisher.publish([message()]) == [Outcome.UNKNOWN]
    assert publisher.publish([message()]) == [Outcome.CONFIRMED]

    assert time.monotonic() - began < 3
