"""Of what a connection brings no more is in memory than there is room for; all of it is read as py-amqp reads it."""

import struct
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
from amqp import method_framing, spec

from touchstone_chassis.amqp import bodies
from touchstone_chassis.amqp.bodies import Received, Room, frame_handler

ROOM = 100
ACK = (1, 1, struct.pack(">HHQB", *spec.Basic.Ack, 1, 0))


@pytest.fixture(autouse=True)
def a_small_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BYTES_MAX", ROOM)


def frames(body: bytes, *, tag: bytes = b"q", method: tuple[int, int] = spec.Basic.Deliver, channel: int = 1) -> Any:
    """A message as the broker sends it, its body in pieces of 40 bytes."""
    arguments = struct.pack(">B", len(tag)) + tag + struct.pack(">QBBB", 1, 0, 0, 0)
    pieces = [body[start : start + 40] for start in range(0, len(body), 40)]
    head = [struct.pack(">HH", *method) + arguments, struct.pack(">HHQH", 60, 0, len(body), 0)]
    return [(kind, channel, payload) for kind, payload in [(1, head[0]), (2, head[1]), *((3, p) for p in pieces)]]


class Reader:
    """A connection whose frames are read by `handler`; notes the messages that came whole."""

    def __init__(self, handler: Any = frame_handler, **rooms: Room):
        self.got: list[tuple[Any, ...]] = []
        self.messages: list[Any] = []
        self.connection = SimpleNamespace(bytes_recv=0, rooms=rooms)
        self._on_frame = handler(self.connection, self._complete)

    def _complete(self, channel: int, method: Any, payload: bytes, message: Any) -> None:
        self.got.append((channel, method, payload, message and message.body))
        self.messages.append(message)

    def read(self, *read: Any) -> list[bool]:
        return [self._on_frame(frame) for frame in read]

    def message(self, body: bytes, **how: Any) -> Any:
        self.read(*frames(body, **how))
        return self.messages[-1]


ALTERNATING = [frame for pair in zip(frames(b"x" * 80), frames(b"y" * 80, channel=2), strict=True) for frame in pair]


@pytest.mark.parametrize(
    "read",
    [
        [ACK, (8, 0, b""), *frames(b""), *frames(b"short"), *frames(b"x" * 250), ACK],
        ALTERNATING,
        [*frames(b"back", method=spec.Basic.Return), *frames(b"got", method=spec.Basic.GetOk)],
    ],
)
def test_frames_are_read_as_py_amqp_reads_them(read: list[Any]) -> None:
    ours, theirs = Reader(), Reader(method_framing.frame_handler)

    assert ours.read(*read) == theirs.read(*read)
    assert ours.got == theirs.got
    assert ours.connection.bytes_recv == theirs.connection.bytes_recv == len(read)


@pytest.mark.parametrize("wrong", [[ACK, (2, 1, b"")], [frames(b"x")[0], ACK], [*frames(b"x" * 50)[:3], ACK]])
def test_a_frame_out_of_turn_is_an_error(wrong: list[Any]) -> None:
    for handler in (frame_handler, method_framing.frame_handler):
        with pytest.raises(amqp.UnexpectedFrame):
            Reader(handler).read(*wrong)


def test_what_there_is_no_room_for_is_put_off_until_there_is() -> None:
    reader = Reader(q=(room := Room()))

    first, second, small = reader.message(b"x" * 60), reader.message(b"y" * 60), reader.message(b"z" * 40)
    first.free()
    first.free()
    third = reader.message(b"y" * 60)

    assert [m.put_off for m in (first, second, small, third)] == [False, True, False, False]
    assert (len(second.body), second.body_size, third.body) == (0, 60, b"y" * 60)
    assert room.taken == 100


def test_room_is_taken_before_the_body_is_there() -> None:
    reader = Reader(q=Room())

    reader.read(*ALTERNATING)

    assert sorted(m.put_off for m in reader.messages) == [False, True]


def test_one_alone_may_be_larger_than_the_room() -> None:
    reader = Reader(q=Room())

    assert reader.message(b"x" * 500).body == b"x" * 500
    assert reader.message(b"x").put_off


def test_what_is_too_large_for_its_consumers_is_left_out_and_takes_no_room() -> None:
    reader = Reader(q=(room := Room(body_bytes_max=50)))

    message = reader.message(b"x" * 51)

    assert (len(message.body), message.body_size, message.put_off, room.taken) == (0, 51, False, 0)
    assert reader.message(b"x" * 50).body == b"x" * 50


def test_rooms_are_by_consumer_and_what_is_for_none_is_taken_whole() -> None:
    reader = Reader(q=Room(), calls=Room())
    reader.message(b"x" * 100)

    assert reader.message(b"y" * 100).put_off
    assert not reader.message(b"y" * 100, tag=b"calls").put_off
    assert reader.message(b"y" * 100, tag=b"\xff").body == b"y" * 100
    assert reader.message(b"y" * 100, method=spec.Basic.Return).body == b"y" * 100


def test_what_was_sent_again_is_expected_before_more_is_asked_for() -> None:
    room = Room()

    assert room.has(500) and room.has(60, expected=40) and not room.has(61, expected=40)


def test_a_message_of_ours_is_in_no_room() -> None:
    Received(b"body").free()
