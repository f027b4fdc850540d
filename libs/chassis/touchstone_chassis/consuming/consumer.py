"""Consumes all queues of a service over one connection, survives every message, and drains on a stop."""

import dataclasses
import functools
import time
from collections.abc import Callable

import eventlet
import structlog
from eventlet.event import Event
from nameko import config
from nameko.exceptions import ContainerBeingKilled
from nameko.extensions import SharedExtension

from touchstone_chassis.amqp import connections
from touchstone_chassis.amqp.bodies import Received
from touchstone_chassis.amqp.channels import ConsumerChannels, QueueNotConsumable
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.dispatcher import Dispatcher
from touchstone_chassis.health.checks import Checks

log = structlog.get_logger(__name__)

RECONNECT_S_MAX = 2.0
LOOKED_FOR_EVERY_S = 2.0
"""How often a queue that could not be consumed is tried again."""


@dataclasses.dataclass(frozen=True)
class _Consumed:
    """What an entrypoint asked for: its queue's handler, and how it is handed on."""

    handler: Callable[[Delivery], None]
    dispatcher: Dispatcher
    last_stop: bool


class QueueConsumer(SharedExtension):
    """All queues of one service. Entrypoints register theirs in `setup`; each message is handed to its entrypoint."""

    checks = Checks()

    def __init__(self) -> None:
        self._queues: dict[str, _Consumed] = {}
        self._missing: dict[str, str] = {}
        self._calls = Dispatcher(self._start)
        self._work = Dispatcher(self._start)
        self.channels: ConsumerChannels | None = None
        self._lost = "not yet"
        self._draining = False
        self._stopped = False
        self._idle = Event()

    def register(
        self, queue: str, handler: Callable[[Delivery], None], *, last_stop: bool = False, calls: bool = False
    ) -> None:
        """`handler` is called for each message of `queue`; it must settle the delivery in the end, or defer it.

        `last_stop`: a message that is rejected there would be lost, so none is, not even one that cannot be read.
        `calls`: somebody waits for the answer, so that it waits for no slot and for no database.
        """
        if queue in self._queues:
            raise RuntimeError(f"two entrypoints for queue {queue}")
        self._queues[queue] = _Consumed(handler, self._calls if calls else self._work, last_stop)

    def consumes(self, queue: str) -> bool:
        return queue in self._queues

    def takes_calls(self, queue: str) -> bool:
        return self._queues[queue].dispatcher is self._calls

    def defer(self, delivery: Delivery) -> None:
        """Nothing came of it, by no fault of its own: it is handed on again, here or elsewhere, and not counted."""
        if delivery.pointless:
            delivery.abandon()
        elif not delivery.settled:
            self._queues[delivery.queue].dispatcher.put(delivery)

    def release(self, delivery: Delivery) -> None:
        """The worker that was started on it has ended."""
        self._queues[delivery.queue].dispatcher.release()

    def start_only_when(self, useful: Callable[[float], bool]) -> None:
        """Start on nothing but calls before `useful` says so (see Dispatcher). To be said in setup."""
        self._work.useful = useful

    def setup(self) -> None:
        self._work.limit(config.get("messages_at_once") or config["max_workers"])
        self.checks.add("consumers", self._check)

    def start(self) -> None:
        if self._queues:
            self.container.spawn_managed_thread(self._run, identifier="queue-consumer")
            self.container.spawn_managed_thread(self._work.run, identifier="dispatcher")
            self.container.spawn_managed_thread(self._calls.run, identifier="calls-dispatcher")
        else:
            self._idle.send()

    @property
    def draining(self) -> bool:
        """Whether the process is about to stop: handlers that only wait should give up."""
        return self._draining

    def drain(self) -> None:
        """Take no more messages and return when every handler that was started has ended."""
        self._begin_to_drain()
        self._idle.wait()

    def stop(self) -> None:
        self._begin_to_drain()
        self._stopped = True
        self._work.stop()
        self._calls.stop()
        if self.channels:
            self.channels.close()

    def _begin_to_drain(self) -> None:
        self._draining = True
        if self.channels is not None:
            self.channels.draining = True

    def _check(self) -> tuple[bool, str]:
        channels = self.channels
        if not self._queues:
            return True, "consumes nothing"
        if channels is None:
            return False, f"no connection to the broker ({self._lost}); it is tried again every two seconds"
        consuming = channels.consuming
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
                self.channels = channels = self._open()
                pause_s = 0.25
                self._serve(channels)
            except connections.CONNECTION_ERRORS as error:
                self._lost = type(error).__name__
                if self.channels is not None:
                    # It may be frozen: another node first, where there is one.
                    connections.avoid(self.channels.connection)
                log.warning("broker_connection_lost", error=type(error).__name__, detail=str(error)[:200])
            except Exception as error:  # whatever a message or the broker did, this loop goes on
                self._lost = type(error).__name__
                log.error("consumer_failed", exc_info=error)
            self._forget_channels()
            self._pause(pause_s)
            pause_s = min(RECONNECT_S_MAX, pause_s * 2)
        self._finish()

    def _open(self) -> ConsumerChannels:
        name = f"touchstone {config.get('service', '')} consumer"
        channels = ConsumerChannels(config["AMQP_URI"], name, config["heartbeat_s"], config["message_bytes_max"])
        self.channels = channels  # so that a failure below closes it
        channels.draining = self._draining
        self._consume_what_there_is(channels)
        log.info("consuming", queues=len(channels.consuming))
        return channels

    def _consume_what_there_is(self, channels: ConsumerChannels) -> None:
        """Consume every queue that is not consumed yet; the lack of one is no reason to leave the others alone."""
        for queue, consumed in self._queues.items():
            if queue in channels.consuming:
                continue
            receive = functools.partial(self._receive, queue, channels)
            kind = {"last_stop": consumed.last_stop, "calls": self.takes_calls(queue)}
            try:
                channels.consume(queue, config["prefetch"], receive, **kind)
            except QueueNotConsumable as error:
                if self._missing.get(queue) != str(error):
                    log.error("queue_not_consumed", queue=queue, reason=str(error))
                self._missing[queue] = str(error)
            else:
                if self._missing.pop(queue, None):
                    log.info("queue_consumed_again", queue=queue)

    def _serve(self, channels: ConsumerChannels) -> None:
        looked_at = time.monotonic()
        while not self._stopped:
            if self._draining:
                channels.cancel()
                if channels.in_flight <= 0:
                    channels.close()
                    self.channels = None
                    return
            elif time.monotonic() - looked_at > LOOKED_FOR_EVERY_S:
                self._consume_what_there_is(channels)
                looked_at = time.monotonic()
            channels.turn()

    def _receive(self, queue: str, channels: ConsumerChannels, message: Received) -> None:
        if self._draining:
            return  # never started: the broker delivers it to somebody else
        channels.in_flight += 1
        self._queues[queue].dispatcher.put(
            Delivery(queue, message, channels, self.takes_calls(queue), free=message.free)
        )

    def _start(self, delivery: Delivery) -> bool:
        """Whether a worker was started."""
        consumed = self._queues[delivery.queue]
        try:
            consumed.handler(delivery)
            return True
        except ContainerBeingKilled:  # the process is about to end, and the message is not to blame
            delivery.abandon()
        except Exception as error:  # no message may end the process
            log.error("dispatch_failed", queue=delivery.queue, error=type(error).__name__)
            if consumed.last_stop:
                delivery.abandon()
            else:
                delivery.reject()
        return False

    def _forget_channels(self) -> None:
        if self.channels is not None:
            self.channels.closed = True
            connections.close_quietly(self.channels.connection)
            self.channels = None

    def _pause(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while not self._draining and time.monotonic() < until:
            eventlet.sleep(0.05)

    def _finish(self) -> None:
        if not self._idle.ready():
            self._idle.send()
