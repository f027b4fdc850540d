"""Reads what a connection brings, and takes no more bodies into memory than there is room for.

RabbitMQ bounds what it sends ahead by number alone, hence it is bounded here as it comes: a body that is too large for
its consumers is left out, one that there is no room for is put off, to be sent again later. What is not taken is read
off the connection and forgotten.
"""

import collections
from collections.abc import Callable
from struct import unpack_from
from typing import Any

import amqp
from amqp import spec

BYTES_MAX = 16 * 1024 * 1024
"""Bodies together that share a room; one alone may be larger. What is made of them is several times as much."""
_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_WITH_CONTENT = (spec.Basic.Return, spec.Basic.Deliver, spec.Basic.GetOk)


class Room:
    """Memory that the bodies of some queues share. `body_bytes_max`: what is larger is not looked at anyway."""

    def __init__(self, body_bytes_max: int | None = None):
        self.body_bytes_max, self.taken = body_bytes_max, 0
        self.waiting: collections.deque[Received] = collections.deque()
        """What was put off, in its order."""

    def has(self, size: int, *, expected: int = 0) -> bool:
        """Whether so much goes in, beside what is in it and what is `expected`."""
        taken = self.taken + expected
        return not taken or taken + size <= BYTES_MAX


class Received(amqp.Message):
    """A message as it comes in. Its `body` is empty, whatever its `body_size`, when it was left out or put off."""

    room: Room | None = None
    put_off = False
    taken = 0

    def inbound_header(self, buf: bytes, offset: int = 0) -> int:
        end: int = super().inbound_header(buf, offset)
        room = self.room
        if room is not None and (room.body_bytes_max is None or self.body_size <= room.body_bytes_max):
            self.put_off = not room.has(self.body_size)
            self.taken = 0 if self.put_off else self.body_size
            room.taken += self.taken
        return end

    def inbound_body(self, buf: bytes) -> None:
        if self.room is None or self.taken:
            super().inbound_body(buf)
            return
        self.body_received += len(buf)
        self.ready = self.body_received >= self.body_size

    def free(self) -> None:
        """Its body is needed no more."""
        if self.room is not None:
            self.room.taken -= self.taken
            self.taken = 0


def frame_handler(connection: Any, callback: Callable[..., None]) -> Callable[[tuple[int, int, bytes]], bool]:
    """As py-amqp's, which makes messages of its own: says of each frame whether something was complete with it.

    `connection.rooms` names the room of a consumer by its tag; other messages are taken whole.
    """
    partial: dict[int, Received] = {}
    expected: dict[int, int] = collections.defaultdict(lambda: _METHOD)

    def on_frame(frame: tuple[int, int, bytes]) -> bool:
        kind, channel, payload = frame
        connection.bytes_recv += 1
        if kind == _HEARTBEAT:
            return False
        if kind != expected[channel]:
            raise amqp.UnexpectedFrame(f"Received frame {kind} while expecting type: {expected[channel]}")
        if kind == _METHOD:
            method = unpack_from(">HH", payload)
            if method not in _WITH_CONTENT:
                callback(channel, method, payload, None)
                return True
            partial[channel] = message = Received(frame_method=method, frame_args=payload)
            if method == spec.Basic.Deliver:
                message.room = connection.rooms.get(_consumer_tag(payload))
            expected[channel] = _HEADER
            return False
        message = partial[channel]
        if kind == _HEADER:
            message.inbound_header(payload)
        else:
            message.inbound_body(payload)
        expected[channel] = _METHOD if message.ready else _BODY
        if message.ready:
            del partial[channel]
            callback(channel, message.frame_method, message.frame_args, message)
        return bool(message.ready)

    return on_frame


def _consumer_tag(payload: bytes) -> str:
    """Of a basic.deliver: after its class and method (4 bytes), a length and a text."""
    return payload[5 : 5 + payload[4]].decode(errors="replace")
