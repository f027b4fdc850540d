"""One connection to the broker for requests and their replies, which those that wait for a reply work at in turn.

The only module beside `blocking` that knows pika. It lives as long as its connection: when that is lost, every request
that still waits fails, and whoever uses it makes a new one. Any thread may call. They are leader and followers (POSA
2): the first that waits *leads*: it reads what the broker sends, also for the others, until its own reply came; then
another leads. So a lone caller changes no threads. While nobody calls, a thread of the connection's own leads:
heartbeats, and the end of the connection. pika's own connections cannot do that: each belongs to one thread.
"""

import collections
import itertools
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pika
import pika.exceptions
import pika.frame
import pika.spec
from pika.adapters.utils.selector_ioloop_adapter import SelectorIOServicesAdapter

from touchstone.rpc.blocking import HEARTBEAT_S, BrokerRefused, BrokerUnreachable, Node, nodes, refusal
from touchstone.rpc.io_loop import IoLoop
from touchstone.rpc.uris import redacted
from touchstone_contracts.topology import RPC_EXCHANGE, reply_prefix

_TRANSIENT = 1
# a quorum queue, which a virtual host may have as its default, cannot be exclusive
_QUEUE_ARGUMENTS = {"x-queue-type": "classic"}
_REFUSALS = {403, 404, 530}
"""No right, no such exchange, no such virtual host: trying the same node again would not help."""
_CHANNEL = 1
_ACK = pika.frame.Method(_CHANNEL, pika.spec.Basic.Ack()).marshal()[:11]
_ACK_BYTES = 21
_READ_BYTES_MAX = 65536
_IDLE_AFTER_S = 0.2
_CLOSED_WITHIN_S = 5


class UnknownService(Exception):
    """No queue takes requests for this service: its name is wrong, or the broker was not provisioned for it."""


class ConnectionLost(BrokerUnreachable):
    """The connection was lost before the reply came: the request may have been carried out, or not."""


class _PendingCall:
    """A request under way. `signal` is given when its reply or failure came, or when its caller is to lead."""

    __slots__ = ("failure", "leads", "reply", "signal")

    def __init__(self) -> None:
        self.reply: bytes | None = None
        self.failure: Exception | None = None
        self.leads = False
        self.signal: Any = None


class _FastConnection(pika.SelectConnection):
    """What of pika's is slow for many small messages, done faster; where a pika has no such method, it is as slow as
    before and no less right."""

    def _output_marshaled_frames(self, marshaled_frames: Sequence[bytes]) -> None:
        """The frames of a message leave in one system call, not in three."""
        super()._output_marshaled_frames([b"".join(marshaled_frames)])

    def _on_data_available(self, data_in: bytes) -> None:
        """A confirmation needs no more than to be counted: of confirms, we heed refusals alone."""
        while not self._frame_buffer and data_in.startswith(_ACK) and len(data_in) >= _ACK_BYTES:
            self.bytes_received += _ACK_BYTES
            self.frames_received += 1
            data_in = data_in[_ACK_BYTES:]
        if data_in:
            super()._on_data_available(data_in)

    def _proto_connection_made(self, transport: Any) -> None:
        """Read all at once, and not again just to hear that there is no more."""
        transport._MAX_RECV_BYTES, transport._MAX_CONSUME_BYTES = _READ_BYTES_MAX, 1
        super()._proto_connection_made(transport)


class RpcConnection:
    """Connects at once; requests that come before it is ready wait for it."""

    def __init__(self, amqp_uri: str, *, client_name: str):
        self._amqp_uri = amqp_uri
        self._broker = redacted(amqp_uri)
        self._process = os.getpid()
        self._loop = IoLoop()
        self._numbers = itertools.count(1)
        self._unsent: collections.deque[tuple[str, str, bytes, dict[str, Any]]] = collections.deque()
        self._pending: dict[str, _PendingCall] = {}
        self._led = False
        self._calls = 0
        self._failure: Exception | None = None
        self._closing = False
        self._ended = False
        self._refused: BrokerRefused | None = None
        self._not_set_up: Exception | None = None
        self._ready = False
        self._channel: Any = None
        self._nodes = iter(nodes(amqp_uri, client_name=client_name, heartbeat_s=HEARTBEAT_S))
        self._connect_to(next(self._nodes))
        self._needed = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=client_name, daemon=True)
        self._thread.start()

    @property
    def usable(self) -> bool:
        """Not ended, and not copied into this process by a fork: two processes cannot share a connection."""
        return self._failure is None and self._process == os.getpid()

    def call(self, routing_key: str, body: bytes, headers: dict[str, Any], until: float) -> bytes:
        """Send a request and return the body of its reply.

        Raises UnknownService, what ended the connection, or TimeoutError when none came until `until` (time.monotonic).
        """
        pending, number = _PendingCall(), str(next(self._numbers))
        try:
            with self._loop.mutex:
                self._begin(pending, number)
                self._send(number, routing_key, body, headers)
            if not pending.leads:
                pending.signal.acquire(timeout=max(0.0, until - time.monotonic()))
            while pending.leads and pending.reply is None and pending.failure is None and time.monotonic() < until:
                self._turn(until)
        finally:
            with self._loop.mutex:
                self._pending.pop(number, None)
                if pending.leads:
                    self._hand_over()
        if pending.failure is not None:
            raise pending.failure
        if pending.reply is None:
            raise TimeoutError
        return pending.reply

    def close(self) -> None:
        """Close the connection; requests that still wait fail with ConnectionLost."""
        if self._process != os.getpid():
            return
        with self._loop.mutex:
            self._closing = True
            if not self._ended:
                self._close()
                self._loop.wake()
        self._needed.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=_CLOSED_WITHIN_S)

    def _keep(self) -> None:
        """Lead while nobody calls, and clear away when nobody can call any more."""
        calls = 0
        while not self._ended:
            with self._loop.mutex:
                leads = not self._led and (self._calls == calls or self._closing or self._failure is not None)
                self._led, calls = self._led or leads, self._calls
            if leads:
                self._lead_while_idle()
            else:
                self._needed.wait(_IDLE_AFTER_S)
                self._needed.clear()
        while self._led:
            self._needed.wait(_IDLE_AFTER_S)
        self._loop.close()

    def _lead_while_idle(self) -> None:
        calls = self._calls
        while not self._ended and calls == self._calls:
            self._turn(math.inf)
        with self._loop.mutex:
            self._hand_over()

    def _turn(self, until: float) -> None:
        """Wait for what the broker sends, and deal with it."""
        ready = self._loop.wait(until)
        with self._loop.mutex:
            try:
                self._loop.work(ready)
                if self._ready:
                    self._loop.write()
            except Exception as error:  # an edge: whatever stops one turn must not leave the others waiting
                self._end(error)
            except BaseException:  # an interrupt in the middle of a frame: nobody knows where the next one begins
                self._end(ConnectionLost("interrupted"))
                raise

    # What follows runs under the mutex.

    def _hand_over(self) -> None:
        """To the last that came: it is likely to lead for longest."""
        for pending in reversed(self._pending.values()):
            pending.leads = True
            pending.signal.release()
            return
        self._led = False
        if self._failure is not None:
            self._needed.set()

    def _begin(self, pending: _PendingCall, number: str) -> None:
        if self._failure is not None:
            raise _copy(self._failure)
        self._pending[number] = pending
        self._calls += 1
        if self._led:
            pending.signal = threading.Lock()
            pending.signal.acquire()
        else:
            self._led = pending.leads = True

    def _send(self, number: str, routing_key: str, body: bytes, headers: dict[str, Any]) -> None:
        if not self._ready or not self._channel.is_open:
            self._unsent.append((number, routing_key, body, headers))
            return
        try:
            self._publish(number, routing_key, body, headers)
            self._loop.write()
        except Exception as error:  # an edge, as in a turn
            self._end(error)
        except BaseException:
            self._end(ConnectionLost("interrupted"))
            raise

    def _connect_to(self, node: Node) -> None:
        self._node = node
        own = uuid.uuid4().hex  # a node that froze may keep the queue of an earlier attempt
        self._queue = self._reply_to = f"{reply_prefix(node.parameters.credentials.username)}{own}"
        self._connection = _FastConnection(
            node.parameters,
            on_open_callback=lambda connection: connection.channel(_CHANNEL, on_open_callback=self._on_channel_open),
            on_open_error_callback=lambda _connection, error: self._on_not_open(error),
            on_close_callback=lambda _connection, error: self._on_closed(error),
            custom_ioloop=SelectorIOServicesAdapter(self._loop),
        )

    def _on_not_open(self, error: Exception) -> None:
        """The next node, also when this one refused: while it comes up it refuses what others serve."""
        explained = self._explained(error)
        if isinstance(explained, BrokerRefused):
            self._refused = explained
        self._node.avoid()
        following = next(self._nodes, None) if self.usable else None
        if following is None:
            self._end(self._refused or error)
        else:
            self._connect_to(following)

    def _on_closed(self, error: Exception) -> None:
        by_client = isinstance(error, pika.exceptions.ConnectionClosedByClient)
        if not self._ready and (self._not_set_up or not by_client):
            error, self._not_set_up = self._not_set_up or error, None
            self._on_not_open(error)
            return
        if not by_client:
            self._node.avoid()
        self._end(error)

    def _on_channel_open(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_close_callback(lambda _channel, error: self._on_channel_closed(error))
        channel.add_on_cancel_callback(lambda _frame: self._close())
        channel.add_on_return_callback(self._on_returned)
        steps: list[Callable[[Callable[[Any], None]], Any]] = [
            lambda then: channel.confirm_delivery(self._on_confirm, callback=then),
            lambda then: channel.queue_declare(
                self._queue, exclusive=True, auto_delete=True, arguments=_QUEUE_ARGUMENTS, callback=then
            ),
            lambda then: channel.queue_bind(self._queue, RPC_EXCHANGE, self._reply_to, callback=then),
            lambda then: channel.basic_consume(
                self._queue, self._on_reply, auto_ack=True, exclusive=True, callback=then
            ),
        ]
        self._step(steps)

    def _step(self, steps: list[Callable[[Callable[[Any], None]], Any]]) -> None:
        """Each step starts when the broker has answered the one before."""
        if steps:
            steps[0](lambda _frame: self._step(steps[1:]))
        else:
            self._ready = True
            while self._unsent:
                request = self._unsent.popleft()
                if request[0] in self._pending:
                    self._publish(*request)

    def _publish(self, number: str, routing_key: str, body: bytes, headers: dict[str, Any]) -> None:
        properties = pika.BasicProperties(
            content_type="application/json",
            content_encoding="utf-8",
            correlation_id=number,
            reply_to=self._reply_to,
            delivery_mode=_TRANSIENT,
            headers=headers,
        )
        self._channel.basic_publish(RPC_EXCHANGE, routing_key, body, properties, mandatory=True)

    def _on_reply(self, _channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        self._answer(properties.correlation_id, body, None)

    def _on_returned(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        service = method.routing_key.partition(".")[0]
        self._answer(properties.correlation_id, None, UnknownService(f"No service takes requests for {service!r}."))

    def _answer(self, number: str | None, reply: bytes | None, failure: Exception | None) -> None:
        pending = self._pending.pop(number or "", None)
        if pending is None:
            return  # it came too late
        pending.reply, pending.failure = reply, failure
        if not pending.leads:
            pending.signal.release()

    def _on_confirm(self, frame: Any) -> None:
        """A refused request would have no answer. A channel that came upon a queue whose leader was just lost has all
        its requests refused, also when another leads: a new connection finds that one."""
        if isinstance(frame.method, pika.spec.Basic.Nack):
            self._fail(ConnectionLost("refused"))
            if self._connection.is_open:
                self._connection.close()

    def _on_channel_closed(self, error: Exception) -> None:
        if self._connection.is_open:
            if self._ready:
                self._fail(error)
            else:
                self._not_set_up = error
            self._connection.close()

    def _close(self) -> None:
        if self._connection.is_open:
            self._connection.close()
        elif not self._connection.is_closing:
            self._end(ConnectionLost("The client was closed."))

    def _end(self, error: Exception) -> None:
        self._fail(error)
        self._ended = True
        self._loop.wake()

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = self._explained(error)
        self._unsent.clear()
        for number in list(self._pending):
            self._answer(number, None, _copy(self._failure))
        self._needed.set()

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, BrokerRefused):
            return error
        if getattr(error, "reply_code", None) in _REFUSALS:
            hint = " Was the broker provisioned?" if error.reply_code == 404 else ""  # type: ignore[attr-defined]
            return BrokerRefused(f"{self._broker}: {error.reply_text}.{hint}")  # type: ignore[attr-defined]
        refused = None if self._ready else refusal(self._amqp_uri, error)
        if refused:
            return refused
        if not self._ready:
            return BrokerUnreachable(f"Nothing answers at {self._broker}.")
        return ConnectionLost(f"The connection to {self._broker} was lost.")


def _copy(failure: Exception) -> Exception:
    """Each waiting thread raises an exception of its own: a shared one would collect all their tracebacks."""
    return type(failure)(*failure.args)
