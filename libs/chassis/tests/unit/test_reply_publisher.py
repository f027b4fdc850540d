"""What a broker says meanwhile is heard without holding up anybody else."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import eventlet
import pytest
from eventlet.green import socket
from nameko import config

from touchstone_chassis.amqp import connections
from touchstone_chassis.rpc.replies import HEAR_S, ReplyPublisher, reply_to_of
from touchstone_devkit.eventually import patience


class Connection:
    """Has a socket, and reads one frame of four bytes from it when asked, as py-amqp does."""

    def __init__(self, sock: Any) -> None:
        self._transport = SimpleNamespace(sock=sock)
        self.asked_with: list[float] = []

    def drain_events(self, timeout: float) -> None:
        self.asked_with.append(timeout)
        self._transport.sock.settimeout(timeout)
        frame = b""
        while len(frame) < 4:
            frame += self._transport.sock.recv(4 - len(frame))


@pytest.fixture
def ends() -> Iterator[tuple[Any, Any]]:
    broker_end, our_end = socket.socketpair()
    yield broker_end, our_end
    broker_end.close()
    our_end.close()


def hearing(our_end: Any) -> tuple[ReplyPublisher, Connection]:
    replies, connection = ReplyPublisher(), Connection(our_end)
    replies._connection = connection  # type: ignore[assignment]
    return replies, connection


def test_a_broker_that_says_nothing_is_not_waited_for(ends: tuple[Any, Any]):
    replies, connection = hearing(ends[1])

    replies._hear()

    assert not connections.has_something_to_read(connection)  # type: ignore[arg-type]
    assert connection.asked_with == []


def test_everything_that_it_said_is_heard(ends: tuple[Any, Any]):
    replies, connection = hearing(ends[1])
    ends[0].sendall(b"onetwo++")

    replies._hear()

    assert connection.asked_with == [HEAR_S, HEAR_S]


def test_the_rest_of_a_frame_is_waited_for_so_that_others_run_and_not_for_long(ends: tuple[Any, Any]):
    replies, connection = hearing(ends[1])
    ends[0].sendall(b"on")

    replies._hear()

    assert connection.asked_with == [HEAR_S] and HEAR_S > 0


def test_whoever_runs_out_of_time_loses_only_its_own_answer(monkeypatch: pytest.MonkeyPatch):
    sent, connects, unit_s = list[str](), iter([60.0, 60.0, 0.0]), 0.1 * patience()
    channel = SimpleNamespace(is_open=True, events={"basic_return": set()})

    def connect(*_args: Any, **_options: Any) -> Any:
        eventlet.sleep(next(connects))  # frozen, and frozen still; then the broker answers
        return SimpleNamespace(channel=lambda: channel)

    channel.connection = SimpleNamespace(_transport=SimpleNamespace(_write=None))
    monkeypatch.setattr(connections, "connect", connect)
    monkeypatch.setattr(connections, "has_something_to_read", lambda _connection: False)
    monkeypatch.setattr(connections, "publish", lambda _channel, _message, _exchange, reply_to: sent.append(reply_to))
    replies = ReplyPublisher()

    with config.patch({"confirm_timeout_s": 12 * unit_s, "AMQP_URI": "amqp://"}):
        threads = [
            eventlet.spawn_after(after * unit_s, replies.send, calling(name), b"1", None)
            for name, after in (("first", 0), ("second", 1), ("third", 11))
        ]
        for thread in threads:
            thread.wait()

    assert sent == ["third"]
    assert replies._answers == []


def calling(name: str) -> Any:
    return SimpleNamespace(attribute={"reply_to": name, "correlation_id": name}.get)


@pytest.mark.parametrize("reply_to", [None, "", 5, "certification.sign_mandate", "membership.anything.else"])
def test_an_answer_goes_nowhere_where_it_would_be_a_call_to_a_service(reply_to: Any) -> None:
    delivery: Any = SimpleNamespace(attribute={"reply_to": reply_to}.get)

    assert reply_to_of(delivery) is None


@pytest.mark.parametrize("reply_to", ["reply.guest.1", "0b5a", "certification-1.x"])
def test_an_answer_goes_where_the_caller_listens(reply_to: str) -> None:
    delivery: Any = SimpleNamespace(attribute={"reply_to": reply_to}.get)

    assert reply_to_of(delivery) == reply_to
