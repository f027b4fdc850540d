"""Publishes the answers to calls: transient and unconfirmed, since a caller without an answer asks again."""

import contextlib
import datetime
import time
from typing import Any, NamedTuple

import amqp
import eventlet
import orjson
import structlog
from eventlet.semaphore import Semaphore
from nameko import config
from nameko.extensions import SharedExtension

from touchstone_chassis.amqp import connections
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_contracts.errors import Refusal
from touchstone_contracts.services import SERVICES
from touchstone_contracts.topology import RPC_EXCHANGE

log = structlog.get_logger(__name__)

HEAR_S, HEARD_AT_ONCE_MAX = 0.05, 100
MOVED_EVERY_S = 10.0
"""Answers that come back move to another node of the broker, at most so often: most have lost their caller."""


class ReplyTimeout(Exception):
    """The broker did not take an answer in time."""


class _Answer(NamedTuple):
    """`until`: monotonic time, seconds, at which whoever gave it stops waiting."""

    message: amqp.Message
    reply_to: str
    until: float


class ReplyPublisher(SharedExtension):
    """Sends answers: transient and unconfirmed, since a caller without an answer asks again with the same key."""

    def __init__(self) -> None:
        self._lock = Semaphore(1)
        self._answers: list[_Answer] = []
        self._connection: amqp.Connection | None = None
        self._channel: amqp.Channel | None = None
        self._returned = False
        self._moved_at = -MOVED_EVERY_S

    def send(self, delivery: Delivery, result: bytes | None, error: Refusal | None) -> None:
        reply_to = reply_to_of(delivery)
        if reply_to is None:
            return
        body = b'{"result":' + (result or b"null") + b',"error":' + _error_json(error) + b"}"
        correlation_id = delivery.attribute("correlation_id")
        properties = {"correlation_id": correlation_id} if correlation_id else {}
        message = amqp.Message(body, content_type="application/json", content_encoding="utf-8", **properties)
        self._answers.append(_Answer(message, reply_to, time.monotonic() + config["confirm_timeout_s"]))
        try:
            # A broker that is out of memory or stopped reads nothing, and py-amqp would wait for ever.
            with eventlet.Timeout(config["confirm_timeout_s"], ReplyTimeout):
                eventlet.sleep(0)  # whoever is awake already may come along
                with self._lock:
                    self._publish_all()
        except ReplyTimeout:
            log.info("reply_not_sent", error="ReplyTimeout")

    @property
    def address(self) -> str:
        """Of the node that answers go by; empty while there is no connection."""
        return connections.address_of(self._connection)

    def _publish_all(self) -> None:
        """All answers that wait, in one send; nothing where another has taken ours along."""
        answers, self._answers = self._answers, []
        for _attempt in (1, 2) if answers else ():
            try:
                self._open()
                self._hear()
                channel = self._open()
                with connections.in_one_send(channel.connection):
                    for answer in answers:
                        connections.publish(channel, answer.message, RPC_EXCHANGE, answer.reply_to)
                return
            except ReplyTimeout:
                self._drop()
                # It is our time that is over: the others wait for the lock.
                self._answers[:0] = [answer for answer in answers if answer.until > time.monotonic()]
                raise
            except (*connections.CONNECTION_ERRORS, AttributeError) as failure:  # py-amqp's for a closed transport
                log.info("replies_not_sent", error=type(failure).__name__, count=len(answers))
                self._drop()

    def _open(self) -> amqp.Channel:
        if self._channel is None or not self._channel.is_open:
            self._connection = connections.connect(
                config["AMQP_URI"], name=f"touchstone {config.get('service', '')} replies"
            )
            self._channel = self._connection.channel()
            self._channel.events["basic_return"].add(self._on_return)
            self._returned = False
        return self._channel

    def _hear(self) -> None:
        """What the broker has said since the last answer: a connection that it ended would take one more in silence."""
        assert self._connection is not None
        with contextlib.suppress(TimeoutError):
            for _frame in range(HEARD_AT_ONCE_MAX):
                if not connections.has_something_to_read(self._connection):
                    break
                # Not 0: py-amqp would then wait for the rest of a frame without letting anybody else run.
                self._connection.drain_events(timeout=HEAR_S)
        returned, self._returned = self._returned, False
        if returned and time.monotonic() - self._moved_at > MOVED_EVERY_S:
            self._moved_at = time.monotonic()
            if connections.avoid(self._connection):
                log.warning("replies_moved", reason="an answer had nowhere to go")
                self._drop()

    def _on_return(self, *_returned: Any) -> None:
        """Its caller has gone; or the node has lost touch with the others and knows nothing of their callers' queues,
        as RabbitMQ 3 does when it was frozen for longer than the others wait."""
        self._returned = True

    def _drop(self) -> None:
        connections.close_quietly(self._connection)
        self._connection = self._channel = None

    def stop(self) -> None:
        self._drop()


def _error_json(error: Refusal | None) -> bytes:
    if error is None:
        return b"null"
    # By its own clock a caller can tell by how much they differ; a deadline or a token may have failed by that.
    told = error.as_dict() | {"service_time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")}
    # The exc_* keys let nameko's stock client raise a RemoteError; they are no part of the contract.
    stock = {
        "exc_type": error.code,
        "exc_path": f"touchstone.{error.code}",
        "exc_args": [error.message],
        "value": error.message,
    }
    return orjson.dumps(told | stock, default=str)


def reply_to_of(delivery: Delivery) -> str | None:
    """Where the answer goes; None when the caller left no address, an empty one, or that of a service's methods."""
    reply_to = delivery.attribute("reply_to")
    is_one = isinstance(reply_to, str) and reply_to and reply_to.partition(".")[0] not in SERVICES
    return reply_to if is_one else None
