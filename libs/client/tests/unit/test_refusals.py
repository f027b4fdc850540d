"""What is made of nodes that refuse: another node may take us, and the same one later."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from touchstone.rpc.blocking import BrokerRefused, BrokerUnreachable, open_connection
from touchstone.rpc.connection import RpcConnection
from touchstone_contracts.addresses import addresses_of, split
from touchstone_devkit.chaos.refusing_broker import Ending, RefusingBroker
from touchstone_devkit.eventually import eventually, patience


@pytest.fixture
def coming_up() -> Iterator[RefusingBroker]:
    with RefusingBroker(Ending.VHOST_REFUSED) as node:
        yield node


@pytest.fixture
def open_to_all() -> Iterator[RefusingBroker]:
    with RefusingBroker(Ending.LET_IN) as node:
        yield node


def address(*nodes: RefusingBroker) -> str:
    """In which all but the last are tried first."""
    uri = f"amqp://guest:pa55word@{','.join(node.address for node in nodes)}/"
    addresses_of(uri).avoid(split(uri)[-1])
    return uri


def asked(uri: str) -> "Future[bytes]":
    """What becomes of a request that is sent over a new connection, which ends with its nodes."""
    connection, answer = RpcConnection(uri, client_name="test"), Future[bytes]()

    def ask() -> None:
        try:
            answer.set_result(connection.call("nobody.here", b"{}", {}, until=time.monotonic() + 20))
        except (BrokerRefused, BrokerUnreachable, TimeoutError) as failure:
            answer.set_exception(failure)

    threading.Thread(target=ask, daemon=True).start()
    return answer


def test_a_conversation_goes_on_to_the_next_node_when_one_refuses_and_remembers_it(
    coming_up: RefusingBroker, open_to_all: RefusingBroker
) -> None:
    uri = address(coming_up, open_to_all)

    with open_connection(uri) as connection:
        assert connection.is_open

    assert coming_up.connections == open_to_all.connections == 1
    assert addresses_of(uri).in_turn()[0] == split(uri)[-1]


def test_a_link_goes_on_to_the_next_node_when_one_refuses_and_remembers_it(
    coming_up: RefusingBroker, open_to_all: RefusingBroker
) -> None:
    uri = address(coming_up, open_to_all)

    reply = asked(uri)

    eventually(lambda: open_to_all.connections == 1)
    assert coming_up.connections == 1 and not reply.done()
    assert addresses_of(uri).in_turn()[0] == split(uri)[-1]


def test_a_broker_whose_nodes_all_refuse_has_refused(coming_up: RefusingBroker) -> None:
    with RefusingBroker(Ending.VHOST_REFUSED) as other:
        uri = address(coming_up, other)

        with pytest.raises(BrokerRefused), open_connection(uri):
            pass
        with pytest.raises(BrokerRefused) as caught:
            asked(uri).result(timeout=10)

        assert coming_up.connections == other.connections == 2
    assert "pa55word" not in str(caught.value)


def test_nodes_that_do_not_answer_do_not_hide_that_the_others_refused(coming_up: RefusingBroker) -> None:
    with RefusingBroker(Ending.LET_IN) as gone:
        uri = address(coming_up, gone)

    with pytest.raises(BrokerRefused), open_connection(uri):
        pass
    with pytest.raises(BrokerRefused):
        asked(uri).result(timeout=10)


def test_a_node_that_comes_up_is_tried_again_while_there_is_time(coming_up: RefusingBroker) -> None:
    with pytest.raises(BrokerRefused), open_connection(address(coming_up), wait_s=0.7):
        pass

    assert coming_up.connections > 1
    coming_up.ending = Ending.LET_IN
    with open_connection(address(coming_up), wait_s=10) as connection:
        assert connection.is_open


def test_a_wrong_password_is_said_at_once() -> None:
    begun = time.monotonic()

    with RefusingBroker(Ending.PASSWORD_REFUSED) as node:
        with pytest.raises(BrokerRefused), open_connection(address(node), wait_s=30):
            pass
        with pytest.raises(BrokerRefused):
            asked(address(node)).result(timeout=10)

        assert node.connections == 2
    assert time.monotonic() - begun < 10 * patience()


def test_a_node_that_dies_in_the_midst_of_a_handshake_has_refused_nobody() -> None:
    with RefusingBroker(Ending.HUNG_UP) as node:
        with pytest.raises(BrokerUnreachable), open_connection(address(node), wait_s=0.7):
            pass
        tries = node.connections
        with pytest.raises(BrokerUnreachable):
            asked(address(node)).result(timeout=10)

    assert tries > 1
