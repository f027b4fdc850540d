"""Hears every event of the four services, also when the broker goes and comes back: over a durable queue of its own."""

import contextlib
import json
import time
import uuid
from types import TracebackType
from typing import Any

import pika.exceptions

from touchstone.rpc.blocking import BrokerRefused, BrokerUnreachable, Channel, open_connection
from touchstone_contracts.services import SERVICES
from touchstone_contracts.topology import events_exchange
from touchstone_devkit.demo.wire_tap import WireTap

PAUSE_S = 0.1
PREFETCH = 200
HEARTBEAT_S = 2
"""So that a frozen node does not make the recorder blind for long."""
KNOWN_AFTER_S = 3.0
"""RabbitMQ 3.10 finds no leader any more for a quorum queue whose broker is killed just after its declaration, and then
confirms no event that it is bound to: such a case would try the recorder's queue, not the services'."""
LOST = (BrokerUnreachable, BrokerRefused, pika.exceptions.AMQPError, OSError)


class Recorder(WireTap):
    """A wire tap that survives the loss of its connection.

    An event is confirmed to its publisher only when the recorder's queue holds it, too, so none is missed; one may be
    heard twice. `arrivals` has the unix time of each.
    """

    def __init__(self, amqp_uri: str) -> None:
        super().__init__(amqp_uri)
        self.arrivals: list[tuple[float, dict[str, Any]]] = []
        self._queue = f"faults-recorder-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> "Recorder":
        with open_connection(self._amqp_uri, wait_s=10) as connection:
            channel = connection.channel()
            channel.queue_declare(self._queue, durable=True, arguments={"x-queue-type": "quorum"})
            for producer in SERVICES:
                channel.queue_bind(self._queue, events_exchange(producer), "#")
        time.sleep(KNOWN_AFTER_S)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        with contextlib.suppress(*LOST), open_connection(self._amqp_uri) as connection:
            connection.channel().queue_delete(self._queue)

    def _connection(self) -> contextlib.AbstractContextManager[Any]:
        return open_connection(self._amqp_uri, client_name="recorder", heartbeat_s=HEARTBEAT_S)

    def _follow(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(*LOST), self._connection() as connection:
                channel = connection.channel()
                channel.basic_qos(prefetch_count=PREFETCH)
                channel.basic_consume(self._queue, self._hear)
                # a queue whose leader is lost cancels its consumers
                while not self._ending.is_set() and channel.is_open and channel.consumer_tags:
                    connection.process_data_events(time_limit=PAUSE_S)
            self._ending.wait(PAUSE_S)

    def _hear(self, channel: Channel, method: Any, _properties: Any, body: bytes) -> None:
        message = json.loads(body)
        self.arrivals.append((time.time(), message))
        self.messages.append(message)
        channel.basic_ack(method.delivery_tag)
