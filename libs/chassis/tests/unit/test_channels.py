"""The channels of one connection: a queue that is consumed anew leaves none of its old ones behind."""

import contextlib
import itertools
from typing import Any

import amqp
import eventlet
import pytest

from touchstone_chassis.amqp import connections
from touchstone_chassis.amqp.channels import ConsumerChannels, UnsettledTags


class Channel:
    """A channel of the fake connection: what is open, and whether its number was given back."""

    def __init__(self, connection: "Connection", number: int):
        self.connection, self.channel_id, self.is_open = connection, number, True

    def queue_declare(self, queue: str, passive: bool) -> None: ...

    def basic_qos(self, size: int, count: int, of_all: bool) -> None: ...

    def basic_consume(self, queue: str, **_how: Any) -> None:
        if self.connection.refusal is not None:
            self.is_open = False
            raise self.connection.refusal

    def collect(self) -> None:
        self.connection.channels.pop(self.channel_id)

    def close(self) -> None:
        self.is_open = False
        self.collect()


class Connection:
    """Stands for py-amqp's: it keeps each channel until that is collected."""

    def __init__(self) -> None:
        self.channels: dict[int, Channel] = {}
        self.rooms: dict[str, Any] = {}
        self.refusal: amqp.ChannelError | None = None
        self._numbers = itertools.count(1)

    def channel(self) -> Channel:
        number = next(self._numbers)
        self.channels[number] = Channel(self, number)
        return self.channels[number]


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    made = Connection()
    monkeypatch.setattr(connections, "connect", lambda *_args, **_kwargs: made)
    return made


def consume(session: ConsumerChannels) -> None:
    session.consume("q", 8, lambda _message: None)


def test_a_channel_that_the_broker_closed_is_collected_when_its_queue_is_consumed_again(connection):
    session = ConsumerChannels("amqp://", "test", 0)
    consume(session)

    for number in (1, 2, 3):
        connection.channels[number].is_open = False
        consume(session)

    assert list(connection.channels) == [4]
    assert session.consuming == {"q"}


def test_a_queue_that_is_refused_after_its_channel_was_closed_is_not_consumed_and_holds_no_number(connection):
    session = ConsumerChannels("amqp://", "test", 0)
    consume(session)
    connection.channels[1].is_open = False
    connection.refusal = amqp.NotFound("no queue")

    with pytest.raises(Exception, match="does not exist"):
        consume(session)

    assert connection.channels == {} and session.consuming == set()


class Telling:
    """Notes what a channel tells the broker."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, bool]] = []

    def basic_ack(self, tag: int, multiple: bool = False) -> None:
        self.told.append(("ack", tag, multiple))

    def basic_reject(self, tag: int, requeue: bool) -> None:
        self.told.append(("reject", tag, requeue))


def delivered(*tags: int) -> UnsettledTags:
    unsettled = UnsettledTags()
    for tag in tags:
        message = amqp.Message()
        message.delivery_info = {"delivery_tag": tag}
        unsettled.add(message)
    return unsettled


def test_the_oldest_are_acknowledged_in_one_word():
    unsettled, channel = delivered(1, 2, 3), Telling()

    unsettled.tell(channel, {3: True, 1: True, 2: True})  # type: ignore[arg-type]

    assert channel.told == [("ack", 3, True)]


def test_what_is_still_at_work_is_not_acknowledged_with_what_came_after_it():
    unsettled, channel = delivered(1, 2, 3, 4), Telling()

    unsettled.tell(channel, {1: True, 3: True, 4: True})  # type: ignore[arg-type]

    assert sorted(channel.told) == [("ack", 1, False), ("ack", 3, False), ("ack", 4, False)]


def test_what_is_rejected_is_not_acknowledged_with_its_neighbours():
    unsettled, channel = delivered(1, 2, 3), Telling()

    unsettled.tell(channel, {1: True, 2: False, 3: True})  # type: ignore[arg-type]

    assert sorted(channel.told) == [("ack", 1, False), ("ack", 3, False), ("reject", 2, False)]


def test_what_was_told_is_told_once():
    unsettled, channel = delivered(1, 2), Telling()

    unsettled.tell(channel, {1: True})  # type: ignore[arg-type]
    unsettled.tell(channel, {2: True})  # type: ignore[arg-type]

    assert channel.told == [("ack", 1, False), ("ack", 2, False)]


class Transport:
    """Notes each send."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self._write = self.sent.append


class Connected:
    def __init__(self) -> None:
        self._transport = Transport()


def test_frames_are_sent_together_and_whole():
    connection, lent = Connected(), bytearray(b"one")

    with connections.in_one_send(connection):  # type: ignore[arg-type]
        connection._transport._write(memoryview(lent))  # type: ignore[arg-type]
        lent[:] = b"two"
        connection._transport._write(memoryview(lent))  # type: ignore[arg-type]
    connection._transport._write(b"three")

    assert connection._transport.sent == [b"onetwo", b"three"]


def test_nothing_is_sent_of_what_could_not_be_written_to_its_end():
    connection = Connected()

    with contextlib.suppress(ValueError), connections.in_one_send(connection):  # type: ignore[arg-type]
        connection._transport._write(b"half a window")
        raise ValueError
    connection._transport._write(b"next")

    assert connection._transport.sent == [b"next"]


def test_what_is_settled_after_the_connection_broke_opens_no_new_one(monkeypatch):
    connection, connected = amqp.Connection("127.0.0.1:1"), []
    connection.collect()
    monkeypatch.setattr(connection, "connect", lambda: connected.append(True))
    monkeypatch.setattr(connections, "connect", lambda *_args, **_kwargs: connection)
    session, message = ConsumerChannels("amqp://", "test", 0), amqp.Message()
    message.delivery_info = {"delivery_tag": 1}

    session.settle(message, ack=True)
    eventlet.sleep(0.01)

    assert connected == []
    assert not session._telling


class Slow(Transport):
    """Takes what it is sent in two pieces, and lets others run in between."""

    def __init__(self) -> None:
        super().__init__()
        self._write = self.take

    def take(self, frames: bytes) -> None:
        self.sent.append(frames[:3])
        eventlet.sleep(0)
        self.sent.append(frames[3:])


def test_what_another_greenlet_writes_meanwhile_comes_after_what_is_sent_together():
    connection = Connected()
    transport = connection._transport = Slow()
    eventlet.spawn(lambda: transport._write(b"reject"))

    with connections.in_one_send(connection):  # type: ignore[arg-type]
        transport._write(b"acknowledge")
    transport._write(b"next")

    assert b"".join(transport.sent) == b"acknowledgerejectnext"
