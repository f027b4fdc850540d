"""Follows the events of all services as they happen, without taking them from anybody."""

import collections
import contextlib
import dataclasses
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pika.exceptions

import touchstone_contracts.events  # noqa: F401 - registers them all
from touchstone.rpc.blocking import BrokerRefused, Channel, Connection, open_connection
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.topology import events_exchange

_POLL_S = 0.25
# classic, because a quorum queue, which a virtual host may have as its default, cannot be exclusive
_QUEUE_ARGUMENTS = {"x-max-length": 10_000, "x-queue-type": "classic"}


@dataclasses.dataclass(frozen=True)
class SeenEvent:
    """An event as it passed by; `message` is the whole CloudEvent, `received_at` unix seconds."""

    received_at: float
    type: str
    subject: str
    message: dict[str, Any]

    def summary(self) -> str:
        """The few facts of the event that tell a person what happened."""
        data = self.message.get("data")
        return ", ".join(_facts(data)) if isinstance(data, dict) else ""


_TELLING = ("number", "level", "state", "code", "rating", "entity", "party", "notice_type", "reasons", "problems")


def _facts(data: dict[str, Any]) -> Iterator[str]:
    for name in _TELLING:
        value = data.get(name)
        if isinstance(value, dict):
            value = value.get("name") or value.get("id")
        if isinstance(value, list):
            codes = [entry.get("code") if isinstance(entry, dict) else entry for entry in value]
            value = "; ".join(str(code) for code in codes)
        if value not in (None, ""):
            yield f"{name} {value}"


def producers() -> list[str]:
    """The services whose events this release of the contracts defines."""
    return sorted({event.producer for event in REGISTRY.values()})  # type: ignore[attr-defined]


def watch(amqp_uri: str) -> Iterator[SeenEvent | None]:
    """Events as they come, and None now and then while there are none.

    Listens on an exclusive, bounded queue of its own, which goes when the iteration ends. Raises BrokerUnreachable,
    or BrokerRefused when no service's exchange is there.
    """
    arrived: collections.deque[SeenEvent] = collections.deque()
    with open_connection(amqp_uri, client_name="touchstone watch") as connection:
        channel, queue = _listen(connection)
        channel.basic_consume(queue, lambda *message: arrived.append(_seen(message)), auto_ack=True)
        yield None  # listening: what happens from now on is seen
        while True:
            connection.process_data_events(time_limit=_POLL_S)
            if not arrived:
                yield None
            while arrived:
                yield arrived.popleft()


def _listen(connection: Connection) -> tuple[Channel, str]:
    exchanges = [name for name in map(events_exchange, producers()) if _exists(connection, name)]
    if not exchanges:
        raise BrokerRefused("The broker has no exchange of any service: run `touchstone provision` first.")
    channel, queue = connection.channel(), f"touchstone.watch-{uuid.uuid4().hex}"
    channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments=_QUEUE_ARGUMENTS)
    for exchange in exchanges:
        channel.queue_bind(queue, exchange, "#")
    return channel, queue


def _exists(connection: Connection, exchange: str) -> bool:
    channel = connection.channel()
    try:
        channel.exchange_declare(exchange, passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        return False
    with contextlib.suppress(pika.exceptions.AMQPError):
        channel.close()
    return True


def _seen(message: tuple[Any, ...]) -> SeenEvent:
    _channel, method, _properties, body = message
    try:
        decoded = json.loads(body)
    except ValueError:
        decoded = None
    event = decoded if isinstance(decoded, dict) else {"type": f"unreadable: {method.routing_key}"}
    return SeenEvent(time.time(), str(event.get("type")), str(event.get("subject", "")), event)
