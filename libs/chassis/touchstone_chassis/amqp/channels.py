"""One connection to the broker with a channel for each queue; what befalls one queue leaves the others alone."""

import contextlib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence

import amqp
import eventlet
import structlog
from eventlet.semaphore import Semaphore

from touchstone_chassis.amqp import connections
from touchstone_chassis.amqp.bodies import Received, Room

log = structlog.get_logger(__name__)

POLL_S = 0.25
CLOSE_S_MAX = 2.0
ANSWER_S_MAX = 10.0
SENT_AGAIN_EVERY_S = 0.1
"""So long what is sent again may take to come, before there seems to be room for more."""


class QueueNotConsumable(Exception):
    """The queue cannot be consumed at the moment; the message says why, and what to do."""


class _NoAnswer(OSError):
    """The broker did not answer in time."""


_Settled = tuple[amqp.Channel | None, int, bool]


class UnsettledTags:
    """The delivery tags of a channel that the broker still waits for, in their order."""

    def __init__(self) -> None:
        self._tags: dict[int, None] = {}

    def add(self, message: amqp.Message) -> None:
        self._tags[message.delivery_info["delivery_tag"]] = None

    def tell(self, channel: amqp.Channel, settled: Mapping[int, bool]) -> None:
        """Acknowledge or reject: the oldest in one word, as far as all of them are acknowledged, the others singly."""
        oldest = list(itertools.takewhile(lambda tag: settled.get(tag, False), self._tags))
        if oldest:
            channel.basic_ack(oldest[-1], multiple=len(oldest) > 1)
        for tag in settled.keys() - set(oldest):
            if settled[tag]:
                channel.basic_ack(tag)
            else:
                channel.basic_reject(tag, requeue=False)
        for tag in settled:
            self._tags.pop(tag, None)

    def send_back(self, message: amqp.Message) -> None:
        """Let the broker deliver it again."""
        message.channel.basic_reject(message.delivery_tag, requeue=True)
        self._tags.pop(message.delivery_tag, None)


class ConsumerChannels:
    """A new one replaces it when its connection breaks."""

    def __init__(self, uri: str, name: str, heartbeat_s: int, body_bytes_max: int | None = None):
        self.connection = connections.connect(uri, heartbeat_s=heartbeat_s, name=name)
        self._rooms: dict[tuple[bool, bool], Room] = {}
        self._body_bytes_max = body_bytes_max
        self.in_flight = 0
        self.draining = False
        """Whether the process takes no more messages: what is not begun is left to others."""
        self.closed = False
        self.cancelled = False
        self._writing = Semaphore(1)
        self._settled: list[_Settled] = []
        self._telling = False
        self._unsettled: dict[int, UnsettledTags] = {}
        self._channels: dict[str, amqp.Channel] = {}
        self._ended: list[amqp.Channel] = []
        self._ticked_at = self._sent_again_at = 0.0

    @property
    def consuming(self) -> set[str]:
        """The queues that are consumed now: neither cancelled by the broker nor with a channel that it closed."""
        return {queue for queue, channel in self._channels.items() if channel.is_open}

    def consume(
        self,
        queue: str,
        prefetch: int,
        callback: Callable[[Received], None],
        *,
        last_stop: bool = False,
        calls: bool = False,
    ) -> None:
        """Raises QueueNotConsumable, or one of connections.CONNECTION_ERRORS when the connection is at fault.

        Calls have a room of their own for their bodies, and so has the last stop, where none is too large.
        """
        room = Room(None if last_stop else self._body_bytes_max)
        self.connection.rooms[queue] = self._rooms.setdefault((last_stop, calls), room)
        with eventlet.Timeout(ANSWER_S_MAX, _NoAnswer), self._writing:
            self._consume(queue, prefetch, callback, last_stop)

    def _consume(self, queue: str, prefetch: int, callback: Callable[[Received], None], last_stop: bool) -> None:
        self._end_the_old_one(queue)
        channel = self.connection.channel()
        unsettled = self._unsettled[channel.channel_id] = UnsettledTags()

        def receive(message: Received) -> None:
            unsettled.add(message)
            if message.put_off:
                self.connection.rooms[queue].waiting.append(message)
            else:
                callback(message)

        channel.last_stop = last_stop
        channel.auto_decode = False
        try:
            channel.queue_declare(queue, passive=True)  # provisioning makes queues, never we
            channel.basic_qos(0, prefetch, False)
            channel.basic_consume(
                queue, callback=receive, consumer_tag=queue, on_cancel=lambda _tag: self._cancelled_by_broker(queue)
            )
        except amqp.ChannelError as error:
            self._end(channel)
            raise QueueNotConsumable(_sentence(error)) from None
        self._channels[queue] = channel

    def settle(self, message: amqp.Message, *, ack: bool) -> None:
        """Tell the broker soon, together with what else is settled by then; `ack` or reject."""
        self._settled.append((message.channel, message.delivery_info["delivery_tag"], ack))
        if not self._telling:
            self._telling = True
            eventlet.spawn(self._tell_all)

    def _tell_all(self) -> None:
        try:
            while self._settled:
                eventlet.sleep(0)  # whoever is awake already may come along
                # Two greenlets that write to one socket would mix their frames.
                with self._writing:
                    self._tell_settled()
        finally:
            self._telling = False

    def _tell_settled(self) -> None:
        settled, self._settled = self._settled, []
        try:
            with connections.in_one_send(self.connection):
                for channel, told in _by_channel(settled):
                    if channel is not None and channel.is_open:
                        self._unsettled[channel.channel_id].tell(channel, told)
        except (*connections.CONNECTION_ERRORS, AttributeError):  # py-amqp's for a closed transport
            log.info("acknowledgement_lost", count=len(settled))

    def turn(self) -> None:
        """Handle what the broker sends, for at most POLL_S, and send heartbeats."""
        try:
            with contextlib.suppress(TimeoutError):
                self.connection.drain_events(timeout=POLL_S)
        except amqp.ChannelError as error:  # one of our channels, and it is closed by now
            log.error("channel_closed_by_broker", detail=str(error)[:200])
        self._send_again()
        while self._ended:
            with eventlet.Timeout(ANSWER_S_MAX, _NoAnswer), self._writing:
                self._end(self._ended.pop())
        if time.monotonic() - self._ticked_at > 1:
            self._ticked_at = time.monotonic()
            with self._writing:
                self.connection.heartbeat_tick()

    def _send_again(self) -> None:
        """Let the broker send again what was put off, as far as there is room for it by now."""
        now = time.monotonic()
        if now - self._sent_again_at < SENT_AGAIN_EVERY_S or not any(room.waiting for room in self._rooms.values()):
            return
        self._sent_again_at = now
        with self._writing:
            for room in self._rooms.values():
                expected = 0
                while room.waiting and room.has(room.waiting[0].body_size, expected=expected):
                    message = room.waiting.popleft()
                    if message.channel.is_open:
                        expected += message.body_size
                        self._unsettled[message.channel.channel_id].send_back(message)

    def cancel(self) -> None:
        """Take no more messages; keep the connection for the acknowledgements that are due."""
        if self.cancelled:
            return
        self.cancelled = True
        with self._writing:
            for queue, channel in self._channels.items():
                if channel.is_open:
                    channel.basic_cancel(queue, nowait=True)

    def close(self) -> None:
        """Say goodbye, so that the broker has read every acknowledgement; without an answer, leave all the same."""
        self.closed = True
        try:
            with eventlet.Timeout(CLOSE_S_MAX, _NoAnswer), self._writing:
                self._tell_settled()
                self.connection.close()
        except (*connections.CONNECTION_ERRORS, _NoAnswer, AttributeError):
            connections.close_quietly(self.connection)

    def _cancelled_by_broker(self, queue: str) -> None:
        log.error("consumer_cancelled_by_broker", queue=queue)
        channel = self._channels.pop(queue, None)
        if channel is not None:
            self._ended.append(channel)  # not closed here: py-amqp is in the middle of reading

    def _end_the_old_one(self, queue: str) -> None:
        """A channel that the broker closed keeps its number until it is collected, and there are only so many."""
        old = self._channels.pop(queue, None)
        if old is not None:
            self._end(old)

    def _end(self, channel: amqp.Channel) -> None:
        """Give its number back. What was delivered over it comes again, if the queue is still there."""
        try:
            if channel.is_open:
                channel.close()
            else:
                channel.collect()
        except amqp.ChannelError:
            channel.collect()


def _by_channel(settled: Sequence[_Settled]) -> list[tuple[amqp.Channel | None, dict[int, bool]]]:
    told: dict[int, tuple[amqp.Channel | None, dict[int, bool]]] = {}
    for channel, tag, ack in settled:
        told.setdefault(id(channel), (channel, {}))[1][tag] = ack
    return list(told.values())


def _sentence(error: amqp.ChannelError) -> str:
    if isinstance(error, amqp.NotFound):
        return "it does not exist: run `touchstone provision`"
    if isinstance(error, amqp.AccessRefused):
        return "the broker's user may not read it: grant `read` on it"
    return f"the broker refuses it: {str(error)[:200]}"
