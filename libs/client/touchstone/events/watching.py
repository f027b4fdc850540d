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

from touchstone.events.words import words_for
from touchstone.rpc.blocking import BrokerRefused, Channel, Connection, nodes, open_connection
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.services import SERVICES
from touchstone_contracts.topology import events_exchange, public_routing_keys, reply_prefix

_POLL_S = 0.25
_ACCESS_REFUSED = 403
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
        """What happened, in the words of the event's class."""
        data = self.message.get("data")
        return words_for(self.type, data) if isinstance(data, dict) else ""


def watch(amqp_uri: str) -> Iterator[SeenEvent | None]:
    """Events as they come, and None now and then while there are none.

    Listens on an exclusive, bounded queue of its own, which goes when the iteration ends. Raises BrokerUnreachable,
    or BrokerRefused when no service's exchange is there.
    """
    arrived: collections.deque[SeenEvent] = collections.deque()
    with open_connection(amqp_uri, client_name="touchstone watch") as connection:
        user = nodes(amqp_uri, client_name="touchstone watch")[0].parameters.credentials.username
        channel, queue = _listen(connection, user)
        channel.basic_consume(queue, lambda *message: arrived.append(_seen(message)), auto_ack=True)
        yield None  # listening: what happens from now on is seen
        while True:
            connection.process_data_events(time_limit=_POLL_S)
            if not arrived:
                yield None
            while arrived:
                yield arrived.popleft()


def _listen(connection: Connection, user: str) -> tuple[Channel, str]:
    producers = [service for service in SERVICES if _exists(connection, events_exchange(service))]
    if not producers:
        raise BrokerRefused("The broker has no exchange of any service: run `touchstone provision` first.")
    channel, queue = connection.channel(), f"{reply_prefix(user)}watch-{uuid.uuid4().hex}"
    channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments=_QUEUE_ARGUMENTS)
    for producer in producers:
        channel = _bind(connection, channel, queue, producer)
    return channel, queue


def _bind(connection: Connection, channel: Channel, queue: str, producer: str) -> Channel:
    """To all events of a service; where the user may not, to each type without personal details that is known here."""
    try:
        channel.queue_bind(queue, events_exchange(producer), "#")
    except pika.exceptions.ChannelClosedByBroker as refused:
        if refused.reply_code != _ACCESS_REFUSED:
            raise
        channel = connection.channel()
        for routing_key in public_routing_keys(producer, REGISTRY.values()):
            channel.queue_bind(queue, events_exchange(producer), routing_key)
    return channel


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
    except (ValueError, RecursionError):
        decoded = None
    event = decoded if isinstance(decoded, dict) else {"type": f"unreadable: {method.routing_key}"}
    return SeenEvent(time.time(), str(event.get("type")), str(event.get("subject", "")), event)
