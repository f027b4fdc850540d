"""Declares the queues of the peers on pika: a durable one for requests, quorum queues for the two events."""

import os
import time

import pika
from pika.exceptions import AMQPError

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
    with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URI"])) as connection:
        channel = connection.channel()
        channel.queue_declare(SUBMISSIONS, durable=True)
        for queue in (ACCEPTED, ISSUED):
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", "x-delivery-limit": -1})
