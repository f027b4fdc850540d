"""What the peers on pika share: their queues, and a client that calls by RPC as in RabbitMQ's tutorial."""

import itertools
import os
import time
from typing import Any

import pika
from pika.exceptions import AMQPError

QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}
"""Nothing is dropped, however often it comes again; RabbitMQ 3.10 takes -1 for none at all."""
SUBMISSIONS, ACCEPTED, ISSUED = "submissions", "accepted", "issued"
_TRIES, _PAUSE_S = 5, 0.5


def declare() -> None:
    """Every process does it first. The broker may refuse when several declare a new quorum queue at one moment."""
    for left in reversed(range(_TRIES)):
        try:
            return _declare()
        except AMQPError:
            if not left:
                raise
            time.sleep(_PAUSE_S)


def _declare() -> None:
    """A durable queue for requests, quorum queues for the two events."""
    with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URI"])) as connection:
        channel = connection.channel()
        channel.queue_declare(SUBMISSIONS, durable=True)
        for queue in (ACCEPTED, ISSUED):
            channel.queue_declare(queue, durable=True, arguments=QUORUM)


class PikaRpc:
    """A blocking client for one thread: one connection, one exclusive queue for all answers."""

    def __init__(self, amqp_uri: str, exchange: str = "") -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(amqp_uri))
        self._channel = self._connection.channel()
        self._exchange = exchange
        self._answers = self._channel.queue_declare("", exclusive=True).method.queue
        if exchange:
            self._channel.queue_bind(self._answers, exchange, self._answers)
        self._channel.basic_consume(self._answers, self._answered, auto_ack=True)
        self._numbers = map(str, itertools.count())
        self._awaited, self._answer = "", b""
        self.close = self._connection.close

    def call(self, routing_key: str, body: bytes, **properties: Any) -> bytes:
        """The answer's body; requests are transient and unconfirmed."""
        self._awaited, self._answer = next(self._numbers), b""
        sent = pika.BasicProperties(reply_to=self._answers, correlation_id=self._awaited, **properties)
        self._channel.basic_publish(self._exchange, routing_key, body, sent)
        while not self._answer:
            self._connection.process_data_events(time_limit=None)
        return self._answer

    def _answered(self, _: Any, __: Any, properties: pika.BasicProperties, body: bytes) -> None:
        if properties.correlation_id == self._awaited:
            self._answer = body
