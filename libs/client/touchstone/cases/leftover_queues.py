"""Looks at the broker's queues for messages that nobody consumes."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator

import pika.exceptions

import touchstone_contracts.events  # noqa: F401 - registers all event types
from touchstone.rpc.blocking import Connection, open_connection
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.services import SERVICES
from touchstone_contracts.topology import dead_letter, event_queue, rpc_queue


@dataclasses.dataclass(frozen=True)
class Queue:
    name: str
    service: str
    messages: int
    consumers: int


def unconsumed_queues(amqp_uri: str) -> list[Queue]:
    """The queues of services' events, calls and dead letters that no process consumes. Raises BrokerUnreachable."""
    with open_connection(amqp_uri, client_name="touchstone cases stuck") as connection:
        return [queue for queue in _declared(connection, _names()) if not queue.consumers]


def _names() -> Iterator[tuple[str, str]]:
    for service in SERVICES:
        yield service, rpc_queue(service)
        yield service, dead_letter(service)
        for type_name in sorted(name for name in REGISTRY if not name.startswith(f"{service}.")):
            yield service, event_queue(service, type_name)


def _declared(connection: Connection, names: Iterable[tuple[str, str]]) -> Iterator[Queue]:
    channel = connection.channel()
    for service, name in names:
        try:
            found = channel.queue_declare(name, passive=True).method
        except pika.exceptions.ChannelClosedByBroker:  # there is no such queue, which closes the channel
            channel = connection.channel()
            continue
        yield Queue(name, service, found.message_count, found.consumer_count)
    with contextlib.suppress(pika.exceptions.AMQPError):
        channel.close()
