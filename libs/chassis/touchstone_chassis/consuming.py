"""Consumes all queues of a service over one connection, survives every message, and drains on a stop."""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import amqp
import eventlet
import structlog
from eventlet.event import Event
from eventlet.queue import LightQueue
from eventlet.semaphore import Semaphore
from nameko import config
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import SharedExtension

from touchstone_chassis import broker
from touchstone_chassis.health import Checks

log = structlog.get_logger(__name__)

POLL_S = 0.25
RECONNECT_S_MAX = 2.0
CLOSE_S_MAX = 2.0


@dataclasses.dataclass
class Delivery:
    """One message as it came in, and the ways to be done with it."""

    queue: str
    message: amqp.Message
    consumer: "QueueConsumer"
    session: "_Session"
    received_at: float = dataclasses.field(default_factory=time.time)
    settled: bool = False

    @property
    def body(self) -> bytes:
        body = self.message.body
        return body.encode() if isinstance(body, str) else bytes(body or b"")

    @property
    def headers(self) -> dict[str, Any]:
        headers = self.message.properties.get("application_headers")
        return headers if isinstance(headers, dict) else {}

    def attribute(self, name: str) -> Any:
        return self.message.properties.get(name)

    @property
    def routing_key(self) -> str:
        return self.message.delivery_info.get("routing_key") or ""

    @property
    def exchange(self) -> str:
        return self.message.delivery_info.get("exchange") or ""

    @property
    def current(self) -> bool:
        """Whether the connection that it came over still stands; otherwise it is delivered again anyway."""
        return self.session is self.consumer.session

    def ack(self) -> None:
        """Done with it. When the connection is gone the broker delivers it again, and the inbox knows it."""
        self._settle(lambda channel, tag: channel.basic_ack(tag))

    def reject(self) -> None:
        """Let the broker dead-letter it."""
        self._settle(lambda channel, tag: channel.basic_reject(tag, requeue=False))

    def abandon(self) -> None:
        """Leave it unacknowledged: it is delivered again when the connection closes."""
        self._settle(None)

    def _settle(self, tell: Callable[[amqp.Channel, int], None] | None) -> None:
        if self.settled:
            return
        self.settled = True
        self.session.in_flight -= 1
        if tell is not None:
            self.session.tell(self.message, tell)


class _NoAnswer(Exception):
    """The broker did not answer in time."""


class _Session:
    """One connection with a channel for each queue. A new one replaces it when it breaks."""

    def __init__(self, uri: str, name: str, heartbeat_s: int):
        self.connection = broker.connect(uri, heartbeat_s=heartbeat_s, name=name)
        self.in_flight = 0
        self.consuming: set[str] = set()
        self.cancelled = False
        self._writing = Semaphore(1)
        self._channels: list[tuple[amqp.Channel, str]] = []
        self._ticked_at = 0.0

    def consume(self, queue: str, prefetch: int, callback: Callable[[amqp.Message], None], *, last_stop: bool) -> None:
        channel = self.connection.channel()
        channel.last_stop = last_stop
        channel.auto_decode = False
        channel.queue_declare(queue, passive=True)  # provisioning made it; a missing one is an error here
        channel.basic_qos(0, prefetch, False)
        channel.basic_consume(queue, callback=callback, consumer_tag=f"{queue}")
        self._channels.append((channel, queue))
        self.consuming.add(queue)

    def tell(self, message: amqp.Message, what: Callable[[amqp.Channel, int], None]) -> None:
        try:
            # Two greenlets that write to one socket would mix their frames.
            with self._writing:
                channel = message.channel
                if channel is not None and channel.is_open:
                    what(channel, message.delivery_info["delivery_tag"])
        except (*broker.CONNECTION_ERRORS, AttributeError):  # py-amqp's for a closed transport
            log.info("acknowledgement_lost")

    def turn(self) -> None:
        """Handle what the broker sends, for at most POLL_S, and send heartbeats."""
        with contextlib.suppress(TimeoutError):
            self.connection.drain_events(timeout=POLL_S)
        if time.monotonic() - self._ticked_at > 1:
            self._ticked_at = time.monotonic()
            with self._writing:
                self.connection.heartbeat_tick()

    def cancel(self) -> None:
        """Take no more messages; keep the connection for the acknowledgements that are due."""
        if self.cancelled:
            return
        self.cancelled = True
        with self._writing:
            for channel, queue in self._channels:
                channel.basic_cancel(queue, nowait=True)

    def close(self) -> None:
        """Say goodbye, so that the broker has read every acknowledgement; without an answer, leave all the same."""
        try:
            with eventlet.Timeout(CLOSE_S_MAX, _NoAnswer), self._writing:
                self.connection.close()
        except (*broker.CONNECTION_ERRORS, _NoAnswer, AttributeError):
            broker.close_quietly(self.connection)


class QueueConsumer(SharedExtension):
    """All queues of one service. Entrypoints register theirs in `setup`; each message is handed to its entrypoint."""

    checks = Checks()

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Delivery], None]] = {}
        self._last_stops: set[str] = set()
        self._waiting: LightQueue = LightQueue()
        self.session: _Session | None = None
        self._draining = False
        self._stopped = False
        self._idle = Event()

    def register(self, queue: str, handler: Callable[[Delivery], None], *, last_stop: bool = False) -> None:
        """`handler` is called for each message of `queue`; it must settle the delivery in the end.

        `last_stop`: a message that is rejected there would be lost, so none is, not even one that cannot be read.
        """
        if queue in self._handlers:
            raise RuntimeError(f"two entrypoints for queue {queue}")
        self._handlers[queue] = handler
        if last_stop:
            self._last_stops.add(queue)

    def consumes(self, queue: str) -> bool:
        return queue in self._handlers

    def setup(self) -> None:
        self.checks.add("consumers", self._check)

    def start(self) -> None:
        if self._handlers:
            self.container.spawn_managed_thread(self._run, identifier="queue-consumer")
            self.container.spawn_managed_thread(self._dispatch, identifier="queue-dispatcher")
        else:
            self._idle.send()

    @property
    def draining(self) -> bool:
        """Whether the process is about to stop: handlers that only wait should give up."""
        return self._draining

    def drain(self) -> None:
        """Take no more messages and return when every handler that was started has ended."""
        self._draining = True
        self._idle.wait()

    def stop(self) -> None:
        self._draining = self._stopped = True
        self._waiting.put(None)
        if self.session:
            self.session.close()

    def _check(self) -> tuple[bool, str]:
        consuming = self.session.consuming if self.session else set()
        missing = sorted(set(self._handlers) - consuming)
        return not missing, f"not consuming {', '.join(missing)}" if missing else f"{len(consuming)} queues"

    def _run(self) -> None:
        pause_s = 0.25
        while not self._draining:
            try:
                self.session = session = self._open()
                pause_s = 0.25
                self._serve(session)
            except broker.CONNECTION_ERRORS as error:
                log.warning("broker_connection_lost", error=type(error).__name__, detail=str(error)[:200])
            except Exception as error:  # whatever a message or the broker did, this loop goes on
                log.error("consumer_failed", exc_info=error)
            self._forget_session()
            self._pause(pause_s)
            pause_s = min(RECONNECT_S_MAX, pause_s * 2)
        self._finish()

    def _open(self) -> _Session:
        name = f"touchstone {config.get('service', '')} consumer"
        session = _Session(config["AMQP_URI"], name, config["heartbeat_s"])
        self.session = session  # so that a failure below closes it
        for queue in self._handlers:
            receive = functools.partial(self._receive, queue, session)
            session.consume(queue, config["prefetch"], receive, last_stop=queue in self._last_stops)
        log.info("consuming", queues=len(self._handlers))
        return session

    def _serve(self, session: _Session) -> None:
        while not self._stopped:
            if self._draining:
                session.cancel()
                if session.in_flight <= 0:
                    session.close()
                    self.session = None
                    return
            session.turn()

    def _receive(self, queue: str, session: _Session, message: amqp.Message) -> None:
        if self._draining:
            return  # never started: the broker delivers it to somebody else
        session.in_flight += 1
        self._waiting.put(Delivery(queue, message, self, session))

    def _dispatch(self) -> None:
        """Hand messages to entrypoints; waits here, not in the connection's loop, while all workers are busy."""
        while True:
            delivery = self._waiting.get()
            if delivery is None:
                return
            if self._draining or delivery.session is not self.session:
                delivery.abandon()
                continue
            try:
                self._handlers[delivery.queue](delivery)
            except ContainerBeingKilled:  # the process is about to end, and the message is not to blame
                delivery.abandon()
            except Exception as error:  # no message may end the process
                log.error("dispatch_failed", queue=delivery.queue, error=type(error).__name__)
                if delivery.queue in self._last_stops:
                    delivery.abandon()
                else:
                    delivery.reject()

    def _forget_session(self) -> None:
        if self.session is not None:
            broker.close_quietly(self.session.connection)
            self.session = None

    def _pause(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while not self._draining and time.monotonic() < until:
            eventlet.sleep(0.05)

    def _finish(self) -> None:
        if not self._idle.ready():
            self._idle.send()
