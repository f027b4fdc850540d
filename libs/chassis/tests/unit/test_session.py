"""The channels of one connection: a queue that is consumed anew leaves none of its old ones behind."""

import itertools
from typing import Any

import amqp
import pytest

from touchstone_chassis import broker
from touchstone_chassis.session import Session


class Channel:
    """A channel of the fake connection: what is open, and whether its number was given back."""

    def __init__(self, connection: "Connection", number: int):
        self.connection, self.number, self.is_open = connection, number, True

    def queue_declare(self, queue: str, passive: bool) -> None: ...

    def basic_qos(self, size: int, count: int, of_all: bool) -> None: ...

    def basic_consume(self, queue: str, **_how: Any) -> None:
        if self.connection.refusal is not None:
            self.is_open = False
            raise self.connection.refusal

    def collect(self) -> None:
        self.connection.channels.pop(self.number)

    def close(self) -> None:
        self.is_open = False
        self.collect()


class Connection:
    """Stands for py-amqp's: it keeps each channel until that is collected."""

    def __init__(self) -> None:
        self.channels: dict[int, Channel] = {}
        self.refusal: amqp.ChannelError | None = None
        self._numbers = itertools.count(1)

    def channel(self) -> Channel:
        number = next(self._numbers)
        self.channels[number] = Channel(self, number)
        return self.channels[number]


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    made = Connection()
    monkeypatch.setattr(broker, "connect", lambda *_args, **_kwargs: made)
    return made


def consume(session: Session) -> None:
    session.consume("q", 8, lambda _message: None, last_stop=False)


def test_a_channel_that_the_broker_closed_is_collected_when_its_queue_is_consumed_again(connection):
    session = Session("amqp://", "test", 0)
    consume(session)

    for number in (1, 2, 3):
        connection.channels[number].is_open = False
        consume(session)

    assert list(connection.channels) == [4]
    assert session.consuming == {"q"}


def test_a_queue_that_is_refused_after_its_channel_was_closed_is_not_consumed_and_holds_no_number(connection):
    session = Session("amqp://", "test", 0)
    consume(session)
    connection.channels[1].is_open = False
    connection.refusal = amqp.NotFound("no queue")

    with pytest.raises(Exception, match="does not exist"):
        consume(session)

    assert connection.channels == {} and session.consuming == set()
