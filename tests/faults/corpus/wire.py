"""Puts messages on the broker as no client library would let one, and reads the answers to calls."""

import contextlib
import dataclasses
import struct
import time
import uuid
from collections.abc import Mapping
from typing import Any

import amqp

from touchstone_chassis.amqp import connections
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.topology import RPC_EXCHANGE
from touchstone_testing.event_keys import signed


@dataclasses.dataclass(frozen=True)
class Message:
    """One message; `properties` by py-amqp's names. `raw`: flags and bytes that stand in place of all properties."""

    exchange: str
    routing_key: str | bytes
    body: bytes
    properties: dict[str, Any] = dataclasses.field(default_factory=dict)
    headers: dict[str, Any] = dataclasses.field(default_factory=dict)
    raw: tuple[int, bytes] | None = None

    def but(self, **changes: Any) -> "Message":
        """The same with another `body`, `headers`, `exchange`, ... or other properties; None removes one."""
        own = {name: changes.pop(name) for name in list(changes) if name in _OWN}
        properties = {name: value for name, value in (self.properties | changes).items() if value is not None}
        return dataclasses.replace(self, properties=properties, **own)

    def headed(self, headers: dict[str, Any]) -> "Message":
        """The same with more headers."""
        return dataclasses.replace(self, headers=self.headers | headers)


_OWN = {"exchange", "routing_key", "body", "headers", "raw"}


class _Frame(amqp.Message):
    """Its properties go out as they were given, byte for byte."""

    given: tuple[int, bytes] = (0, b"")

    def _serialize_properties(self) -> bytes:
        return struct.pack(">H", self.given[0]) + self.given[1]


@dataclasses.dataclass(frozen=True)
class Reply:
    body: bytes
    at: float


class Wire:
    """One connection: publishes with confirms, and has a reply queue of its own.

    Whatever goes to a queue of events is signed by their producer, whose key the system's environment names.
    """

    def __init__(self, amqp_uri: str, environment: Mapping[str, str] | None = None) -> None:
        self._uri, self._environment = amqp_uri, environment or {}
        self.reply_to = uuid.uuid4().hex
        self._replies: dict[str | None, Reply] = {}
        self._open()

    def send(self, message: Message) -> str | None:
        """What the broker said against it; None when it took the message."""
        try:
            self._publish(message)
        except (amqp.AMQPError, OSError) as refusal:
            said = getattr(refusal, "reply_text", None) or type(refusal).__name__
            self.close()
            self._open()
            return str(said)
        return None

    def reply_to_call(self, correlation_id: str | None, *, within_s: float) -> Reply | None:
        """The reply, or None when there is none in time."""
        until = time.monotonic() + within_s
        while correlation_id not in self._replies and time.monotonic() < until:
            self.listen(until - time.monotonic())
        return self._replies.pop(correlation_id, None)

    def listen(self, for_s: float) -> None:
        """Take in whatever the broker sends next."""
        with contextlib.suppress(TimeoutError):
            self._connection.drain_events(timeout=max(for_s, 0.001))

    def count(self, queue: str) -> int:
        """Messages that wait in a queue."""
        return int(self._other.queue_declare(queue, passive=True).message_count)

    def close(self) -> None:
        connections.close_quietly(self._connection)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        self._connection = connections.connect(self._uri, name="bad input")
        self._channel, self._other = self._connection.channel(), self._connection.channel()
        self._channel.confirm_select()
        queue = self._other.queue_declare("", exclusive=True, auto_delete=True).queue
        self._other.queue_bind(queue, RPC_EXCHANGE, self.reply_to)
        self._other.basic_consume(queue, no_ack=True, callback=self._keep)

    def _signed(self, message: Message) -> Message:
        event_class: Any = REGISTRY.get(str(message.routing_key).partition(".")[2])
        if event_class is None or not self._environment:
            return message
        headers = signed(self._environment, event_class.producer, message.body) | message.headers
        return dataclasses.replace(message, headers=headers)

    def _publish(self, message: Message) -> None:
        if message.raw is None:
            message = self._signed(message)
            frame = amqp.Message(message.body, application_headers=message.headers, **message.properties)
        else:
            frame = _Frame(message.body)
            frame.given = message.raw
        self._channel.basic_publish_confirm(frame, message.exchange, message.routing_key, confirm_timeout=10)

    def _keep(self, message: amqp.Message) -> None:
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        self._replies[message.properties.get("correlation_id")] = Reply(body, time.monotonic())
