"""Consumes all queues of a service over one connection, survives every message, and drains on a stop."""

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import amqp
import eventlet
import structlog
from eventlet.event import Event
from nameko import config
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import SharedExtension

from touchstone_chassis.amqp import connections
from touchstone_chassis.amqp.channels import ConsumerChannels, QueueNotConsumable
from touchstone_chassis.consuming.dispatcher import Dispatcher
from touchstone_chassis.health.server import Checks

log = structlog.get_logger(__name__)

RECONNECT_S_MAX = 2.0
LOOKED_FOR_EVERY_S = 2.0
"""How often a queue that could not be consumed is tried again."""


@dataclasses.dataclass
class Delivery:
    """One message as it came in, and the ways to be done with it."""

    queue: str
    message: amqp.Message
    consumer: "QueueConsumer"
    session: ConsumerChannels
    received_at: float = dataclasses.field(default_factory=time.time)
    settled: bool = False
    starts_before: int | None = None
    """As counted before this delivery was (see `starts`); None while it is not counted."""
    release_slot: Callable[[], None] = lambda: None

    in_vain: int = 0
    changes_seen: int | None = None

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
        """Whether the channel that it came over still stands; otherwise it is delivered again anyway."""
        channel = self.message.channel
        return self.session is self.consumer.session and (channel is None or bool(channel.is_open))

    @property
    def redelivered(self) -> bool:
        """Whether somebody had it before: the broker counts what was handed out and came back."""
        return bool(self.message.delivery_info.get("redelivered"))

    @property
    def is_call(self) -> bool:
        """Whether somebody waits for an answer."""
        return self.consumer.takes_calls(self.queue)

    @property
    def pointless(self) -> bool:
        """Whether there is no use in starting on it: it will be delivered again, here or elsewhere."""
        return self.consumer.draining or not self.current

    def ack(self) -> None:
        """Done with it. When the connection is gone the broker delivers it again, and the inbox knows it."""
        self._settle(ack=True)

    def reject(self) -> None:
        """Let the broker dead-letter it."""
        self._settle(ack=False)

    def abandon(self) -> None:
        """Leave it unacknowledged: it is delivered again when the connection closes."""
        self._settle(ack=None)

    def defer(self) -> None:
        """Nothing came of it, by no fault of its own: it is handed on again, here or elsewhere, and not counted."""
        if self.pointless:
            self.abandon()
        elif not self.settled:
            self.release_slot()
            self.consumer.line_up(self)

    @property
    def suspect(self) -> bool:
        """Whether it failed for want of a database, or perhaps by its own weight: its neighbours should not bear it."""
        return self.changes_seen is not None

    def failed_in_vain(self, changes: int) -> int:
        """How often in a row it failed for want of a database that had been there since the failure before.

        `changes`: as the CircuitBreaker counts them now.
        """
        self.in_vain = self.in_vain + 1 if changes == self.changes_seen else 0
        self.changes_seen = changes
        return self.in_vain

    def occupies(self, release: Callable[[], None]) -> None:
        """It holds a place until it is settled, put off, or its worker has ended; `release` is called once."""

        def release_slot() -> None:
            self.release_slot = lambda: None
            release()

        self.release_slot = release_slot

    def _settle(self, *, ack: bool | None) -> None:
        if self.settled:
            return
        self.settled = True
        self.session.in_flight -= 1
        self.release_slot()
        if ack is not None:
            self.session.settle(self.message, ack=ack)


@dataclasses.dataclass(frozen=True)
class _Consumed:
    """What an entrypoint asked for: its queue's handler, and how it is handed on."""

    handler: Callable[[Delivery], None]
    lane: Dispatcher
    last_stop: bool


class QueueConsumer(SharedExtension):
    """All queues of one service. Entrypoints register theirs in `setup`; each message is handed to its entrypoint."""

    checks = Checks()

    def __init__(self) -> None:
        self._queues: dict[str, _Consumed] = {}
        self._missing: dict[str, str] = {}
        self._calls = Dispatcher(self._start)
        self._work = Dispatcher(self._start)
        self.session: ConsumerChannels | None = None
        self._lost = "not yet"
        self._draining = False
        self._stopped = False
        self._idle = Event()

    def register(
        self, queue: str, handler: Callable[[Delivery], None], *, last_stop: bool = False, calls: bool = False
    ) -> None:
        """`handler` is called for each message of `queue`; it must settle the delivery in the end, or put it off.

        `last_stop`: a message that is rejected there would be lost, so none is, not even one that cannot be read.
        `calls`: somebody waits for the answer, so that it waits for no place and for no database.
        """
        if queue in self._queues:
            raise RuntimeError(f"two entrypoints for queue {queue}")
        self._queues[queue] = _Consumed(handler, self._calls if calls else self._work, last_stop)

    def consumes(self, queue: str) -> bool:
        return queue in self._queues

    @property
    def queues(self) -> list[str]:
        return list(self._queues)

    def takes_calls(self, queue: str) -> bool:
        return self._queues[queue].lane is self._calls

    def line_up(self, delivery: Delivery) -> None:
        self._queues[delivery.queue].lane.put(delivery)

    def start_only_when(self, useful: Callable[[float], bool]) -> None:
        """Start on nothing but calls before `useful` says so (see Dispatcher). To be said in setup."""
        self._work.useful = useful

    def setup(self) -> None:
        self._work.limit(config.get("messages_at_once") or config["max_workers"])
        self.checks.add("consumers", self._check)

    def start(self) -> None:
        if self._queues:
            self.container.spawn_managed_thread(self._run, identifier="queue-consumer")
            self.container.spawn_managed_thread(self._work.run, identifier="work-lane")
            self.container.spawn_managed_thread(self._calls.run, identifier="calls-lane")
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
        self._work.stop()
        self._calls.stop()
        if self.session:
            self.session.close()

    def _check(self) -> tuple[bool, str]:
        session = self.session
        if not self._queues:
            return True, "consumes nothing"
        if session is None:
            return False, f"no connection to the broker ({self._lost}); it is tried again every two seconds"
        consuming = session.consuming
        lacking = {
            queue: self._missing.get(queue, "lost just now, tried again within two seconds")
            for queue in sorted(set(self._queues) - consuming)
        }
        if not lacking:
            return True, f"{len(consuming)} queues"
        return False, "; ".join(f"not consuming {queue}: {reason}" for queue, reason in lacking.items())

    def _run(self) -> None:
        pause_s = 0.25
        while not self._draining:
            try:
                self.session = session = self._open()
                pause_s = 0.25
                self._serve(session)
            except connections.CONNECTION_ERRORS as error:
                self._lost = type(error).__name__
                if self.session is not None:
                    connections.avoid(
                        self.session.connection
                    )  # it may be frozen: another node first, where there is one
                log.warning("broker_connection_lost", error=type(error).__name__, detail=str(error)[:200])
            except Exception as error:  # whatever a message or the broker did, this loop goes on
                self._lost = type(error).__name__
                log.error("consumer_failed", exc_info=error)
            self._forget_session()
            self._pause(pause_s)
            pause_s = min(RECONNECT_S_MAX, pause_s * 2)
        self._finish()

    def _open(self) -> ConsumerChannels:
        name = f"touchstone {config.get('service', '')} consumer"
        session = ConsumerChannels(config["AMQP_URI"], name, config["heartbeat_s"])
        self.session = session  # so that a failure below closes it
        self._consume_what_there_is(session)
        log.info("consuming", queues=len(session.consuming))
        return session

    def _consume_what_there_is(self, session: ConsumerChannels) -> None:
        """Consume every queue that is not consumed yet; the lack of one is no reason to leave the others alone."""
        for queue, consumed in self._queues.items():
            if queue in session.consuming:
                continue
            receive = functools.partial(self._receive, queue, session)
            try:
                session.consume(queue, config["prefetch"], receive, last_stop=consumed.last_stop)
            except QueueNotConsumable as error:
                if self._missing.get(queue) != str(error):
                    log.error("queue_not_consumed", queue=queue, reason=str(error))
                self._missing[queue] = str(error)
            else:
                if self._missing.pop(queue, None):
                    log.info("queue_consumed_again", queue=queue)

    def _serve(self, session: ConsumerChannels) -> None:
        looked_at = time.monotonic()
        while not self._stopped:
            if self._draining:
                session.cancel()
                if session.in_flight <= 0:
                    session.close()
                    self.session = None
                    return
            elif time.monotonic() - looked_at > LOOKED_FOR_EVERY_S:
                self._consume_what_there_is(session)
                looked_at = time.monotonic()
            session.turn()

    def _receive(self, queue: str, session: ConsumerChannels, message: amqp.Message) -> None:
        if self._draining:
            return  # never started: the broker delivers it to somebody else
        session.in_flight += 1
        self._queues[queue].lane.put(Delivery(queue, message, self, session))

    def _start(self, delivery: Delivery) -> None:
        consumed = self._queues[delivery.queue]
        try:
            consumed.handler(delivery)
        except ContainerBeingKilled:  # the process is about to end, and the message is not to blame
            delivery.abandon()
        except Exception as error:  # no message may end the process
            log.error("dispatch_failed", queue=delivery.queue, error=type(error).__name__)
            if consumed.last_stop:
                delivery.abandon()
            else:
                delivery.reject()

    def _forget_session(self) -> None:
        if self.session is not None:
            connections.close_quietly(self.session.connection)
            self.session = None

    def _pause(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while not self._draining and time.monotonic() < until:
            eventlet.sleep(0.05)

    def _finish(self) -> None:
        if not self._idle.ready():
            self._idle.send()
