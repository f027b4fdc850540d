"""A broker of several addresses of which one is refused, one accepts and says nothing, and one answers."""

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from touchstone.provisioning.provision import broker_plan, provision_broker
from touchstone.rpc.blocking import BrokerRefused, BrokerUnreachable, open_connection
from touchstone.rpc.connection import RpcConnection, UnknownService
from touchstone_contracts.addresses import addresses_of, split
from touchstone_devkit.processes.ports import free_ports


@pytest.fixture
def silent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def refusing() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


def with_hosts(amqp_uri: str, *hosts: str) -> str:
    parts = urlsplit(amqp_uri)
    credentials, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{credentials}@{','.join([*hosts, host])}"))


def try_the_good_one_last(several: str) -> None:
    addresses_of(several).avoid(split(several)[-1])


def test_a_conversation_finds_the_address_that_answers(amqp_uri: str, silent: str, refusing: str) -> None:
    several = with_hosts(amqp_uri, silent, refusing)
    try_the_good_one_last(several)

    with open_connection(several) as connection:
        assert connection.is_open

    assert addresses_of(several).in_turn()[0] == split(several)[-1]


def test_a_link_finds_the_address_that_answers_and_the_next_one_finds_it_at_once(
    amqp_uri: str, silent: str, refusing: str
) -> None:
    several = with_hosts(amqp_uri, silent, refusing)
    try_the_good_one_last(several)
    provision_broker(amqp_uri, broker_plan([]))

    answers = []
    for _ in range(2):
        begun = time.monotonic()
        connection = RpcConnection(several, client_name="test")
        with pytest.raises(UnknownService):
            connection.call("nobody.here", b"{}", {}, until=begun + 20)
        answers.append(time.monotonic() - begun)
        connection.close()

    assert answers[1] < min(answers[0], 3)


def test_a_link_to_which_no_address_answers_says_so(refusing: str) -> None:
    connection = RpcConnection(f"amqp://guest:guest@{refusing},{refusing}/", client_name="test")

    with pytest.raises(BrokerUnreachable):
        connection.call("nobody.here", b"{}", {}, until=time.monotonic() + 20)


def test_a_refused_user_is_said_at_once(amqp_uri: str, refusing: str) -> None:
    parts = urlsplit(amqp_uri)
    several = f"amqp://nobody:nothing@{parts.netloc.rpartition('@')[2]},{refusing}/"

    with pytest.raises(BrokerRefused), open_connection(several, wait_s=30):
        pass


def test_an_address_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(BrokerRefused) as caught, open_connection("amqp://guest:pa55word@one,,two/"):
        pass

    assert "pa55word" not in str(caught.value)
