"""Publishes messages in windows and says of each whether the broker took responsibility for it."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

import amqp
import eventlet
from eventlet.semaphore import Semaphore

from touchstone_chassis.amqp import connections
from touchstone_chassis.observability import tracing
from touchstone_chassis.testing.fault_points import fault_point

PERSISTENT = 2
TAG_HEADER = "touchstone-tag"
PROPERTIES_BYTES_MAX = 64 * 1024
"""They travel in one frame, and the broker closes a connection that sends one larger than 128 KiB (its default)."""


class Outcome(enum.Enum):
    """What became of a published message."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"
    """No queue would take it."""
    REFUSED = "refused"
    """A queue is full, or the broker could not store it."""
    UNKNOWN = "unknown"
    """No answer in time or the connection broke: it may or may not have arrived."""
    UNSENDABLE = "unsendable"
    """It cannot be written as an AMQP message: a property too long, a header of a strange type, too many of them."""


class ConfirmTimeout(Exception):
    """The broker took too long to take a window of messages, or to confirm it."""


@dataclasses.dataclass(frozen=True)
class Outgoing:
    """One message. `properties` are AMQP's by py-amqp's names; in a window no other message has the same `tag`."""

    exchange: str
    routing_key: str
    body: bytes
    tag: str
    properties: dict[str, Any] = dataclasses.field(default_factory=dict)
    headers: dict[str, Any] = dataclasses.field(default_factory=dict)


class _Window:
    """Which messages of a window are still without an answer."""

    def __init__(self) -> None:
        self.tag_of: dict[int, str] = {}
        self.returned: set[str] = set()
        self.outcomes: dict[str, Outcome] = {}

    def settle(self, delivery_tag: int, multiple: bool, outcome: Outcome) -> None:
        settled = [n for n in self.tag_of if n <= delivery_tag] if multiple else [delivery_tag]
        for number in settled:
            tag = self.tag_of.pop(number, None)
            if tag is not None:
                # The broker returns an unroutable message and then confirms it.
                self.outcomes[tag] = Outcome.RETURNED if tag in self.returned else outcome


class ConfirmingPublisher:
    """One connection with publisher confirms; opened when needed, dropped when it fails. Safe for many greenlets."""

    def __init__(self, uri: str, *, confirm_timeout_s: float, name: str = "touchstone publisher"):
        self._uri, self._confirm_timeout_s, self._name = uri, confirm_timeout_s, name
        self._lock = Semaphore(1)
        self._connection: amqp.Connection | None = None
        self._channel: amqp.Channel | None = None
        self._published = 0
        self._window = _Window()
        self.last_error: str | None = None

    def publish(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        """Publish `messages` as one window, each mandatory; the outcome of each, in order. Raises nothing."""
        frames = [(message, _frame(message)) for message in messages]
        sendable = [(message, frame) for message, frame in frames if frame is not None]
        outcomes = {message.tag: Outcome.UNSENDABLE for message, frame in frames if frame is None}
        with self._lock:
            outcomes |= self._answers_to(sendable)
            refused = [(m, frame) for m, frame in sendable if outcomes.get(m.tag) is Outcome.REFUSED]
            if refused:
                # A channel that came upon a queue whose leader was just lost keeps asking that node, also when another
                # leads: only a new channel asks for the leader again.
                self._drop()
                outcomes |= self._answers_to(refused)
        return [outcomes.get(m.tag, Outcome.UNKNOWN) for m in messages]

    def _answers_to(self, sendable: Sequence[tuple[Outgoing, amqp.Message]]) -> dict[str, Outcome]:
        """What the broker says of each, by tag, as far as it says anything in time."""
        self._window = window = _Window()
        try:
            # py-amqp waits for ever: to write when the broker has stopped reading, and for the answer to an open.
            with eventlet.Timeout(self._confirm_timeout_s, ConfirmTimeout):
                self._publish(sendable)
            self.last_error = None
        except (
            *connections.CONNECTION_ERRORS,
            ConfirmTimeout,
            AttributeError,
        ) as error:  # the last: a closed transport
            self.last_error = type(error).__name__
            connections.avoid(self._connection)
            self._drop()
        return window.outcomes

    def _publish(self, sendable: Sequence[tuple[Outgoing, amqp.Message]]) -> None:
        if not sendable:
            return
        channel = self._open()
        with connections.in_one_send(channel.connection):
            for message, frame in sendable:
                self._published += 1
                self._window.tag_of[self._published] = message.tag
                connections.publish(channel, frame, message.exchange, message.routing_key)
        fault_point("relay_publish")
        tracing.event("sent")
        while self._window.tag_of:
            assert self._connection is not None
            self._connection.drain_events()

    def _open(self) -> amqp.Channel:
        if self._channel is None or not self._channel.is_open:
            self._drop()
            self._connection = connections.connect(self._uri, name=self._name)
            channel = self._connection.channel()
            channel.confirm_select()
            channel.events["basic_ack"].add(self._on_ack)
            channel.events["basic_nack"].add(self._on_nack)
            channel.events["basic_return"].add(self._on_return)
            self._channel, self._published = channel, 0
        return self._channel

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        self._window.settle(delivery_tag, multiple, Outcome.CONFIRMED)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._window.settle(delivery_tag, multiple, Outcome.REFUSED)

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: amqp.Message) -> None:
        self._window.returned.add((message.headers or {}).get(TAG_HEADER, ""))

    def _drop(self) -> None:
        connections.close_quietly(self._connection)
        self._connection = self._channel = None

    def close(self) -> None:
        with self._lock:
            self._drop()


def is_sendable(message: Outgoing) -> bool:
    """Whether it can be written as an AMQP message at all."""
    return _frame(message) is not None


def _frame(message: Outgoing) -> amqp.Message | None:
    headers = message.headers | {TAG_HEADER: message.tag}
    properties = {"delivery_mode": PERSISTENT} | message.properties
    frame = amqp.Message(message.body, application_headers=headers, **properties)
    try:
        fits = len(frame._serialize_properties()) <= PROPERTIES_BYTES_MAX
    except Exception:  # py-amqp lets through whatever struct, len and encode raise
        return None
    return frame if fits else None
