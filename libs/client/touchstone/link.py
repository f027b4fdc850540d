"""One connection to the broker for requests and their replies, in a thread of its own.

The only module beside `amqp` that knows pika. It lives as long as its connection: when that is lost, every request
that still waits fails, and whoever uses it makes a new link. Any thread may send requests; pika is touched by the
link's own thread alone, which `add_callback_threadsafe` wakes.
"""

import collections
import dataclasses
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pika
import pika.exceptions
import pika.spec
from pika.adapters.select_connection import IOLoop

from touchstone.amqp import HEARTBEAT_S, BrokerRefused, BrokerUnreachable, Node, nodes, refusal
from touchstone.uris import redacted
from touchstone_contracts.topology import RPC_EXCHANGE

_TRANSIENT = 1
# a quorum queue, which a virtual host may have as its default, cannot be exclusive
_QUEUE_ARGUMENTS = {"x-queue-type": "classic"}
_REFUSALS = {403, 404, 530}
"""No right, no such exchange, no such virtual host: trying the same node again would not help."""


class UnknownService(Exception):
    """No queue takes requests for this service: its name is wrong, or the broker was not provisioned for it."""


class ConnectionLost(BrokerUnreachable):
    """The connection was lost before the reply came: the request may have been carried out, or not."""


@dataclasses.dataclass
class Request:
    """A request under way; `reply` gets the body of the reply, or an exception."""

    routing_key: str
    body: bytes
    headers: dict[str, Any]
    correlation_id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    reply: "Future[bytes]" = dataclasses.field(default_factory=Future)


class Link:
    """Connects at once, in the background; requests that come before it is ready wait for it."""

    def __init__(self, amqp_uri: str, *, client_name: str):
        self._amqp_uri = amqp_uri
        self._broker = redacted(amqp_uri)
        self._lock = threading.Lock()
        self._unsent: collections.deque[Request] = collections.deque()
        self._waiting: dict[str, Request] = {}
        self._failure: Exception | None = None
        self._refused: BrokerRefused | None = None
        self._not_set_up: Exception | None = None
        self._ready = False
        self._channel: Any = None
        self._nodes = iter(nodes(amqp_uri, client_name=client_name, heartbeat_s=HEARTBEAT_S))
        self._loop = IOLoop()
        self._connect_to(next(self._nodes))
        self._thread = threading.Thread(target=self._run, name=client_name, daemon=True)
        self._thread.start()

    @property
    def usable(self) -> bool:
        return self._failure is None

    def send(self, request: Request) -> None:
        """Send as soon as possible; raises what ended the link when it has ended."""
        with self._lock:
            if self._failure is not None:
                raise _copy(self._failure)
            self._unsent.append(request)
            self._waiting[request.correlation_id] = request
        self._loop.add_callback_threadsafe(self._flush)

    def forget(self, request: Request) -> None:
        """Nobody waits for this reply any more."""
        with self._lock:
            self._waiting.pop(request.correlation_id, None)

    def close(self) -> None:
        """Close the connection; requests that still wait fail with ConnectionLost."""
        if self.usable:
            self._loop.add_callback_threadsafe(self._close)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    # What follows runs in the link's own thread.

    def _run(self) -> None:
        try:
            self._loop.start()
        except Exception as error:  # an edge: whatever stops the loop must not leave callers waiting
            self._end(error)
        finally:
            self._loop.close()

    def _connect_to(self, node: Node) -> None:
        self._node = node
        self._reply_to = uuid.uuid4().hex  # a node that froze may keep the queue of an earlier attempt
        self._queue = f"rpc.reply-touchstone-client-{self._reply_to}"
        self._connection = pika.SelectConnection(
            node.parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel_open),
            on_open_error_callback=lambda _connection, error: self._on_not_open(error),
            on_close_callback=lambda _connection, error: self._on_closed(error),
            custom_ioloop=self._loop,
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
            self._flush()

    def _flush(self) -> None:
        while self._ready and self._channel.is_open:
            with self._lock:
                if not self._unsent:
                    return
                request = self._unsent.popleft()
                if request.correlation_id not in self._waiting:
                    continue
            properties = pika.BasicProperties(
                content_type="application/json",
                content_encoding="utf-8",
                correlation_id=request.correlation_id,
                reply_to=self._reply_to,
                delivery_mode=_TRANSIENT,
                headers=request.headers,
            )
            self._channel.basic_publish(RPC_EXCHANGE, request.routing_key, request.body, properties, mandatory=True)

    def _on_reply(self, _channel: Any, _method: Any, properties: Any, body: bytes) -> None:
        request = self._take(properties.correlation_id)
        if request is not None:
            request.reply.set_result(body)

    def _on_returned(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        request = self._take(properties.correlation_id)
        if request is not None:
            service = method.routing_key.partition(".")[0]
            request.reply.set_exception(UnknownService(f"No service takes requests for {service!r}."))

    def _on_confirm(self, frame: Any) -> None:
        """A refused request would have no answer. A channel that came upon a queue whose leader was just lost has all
        its requests refused, also when another leads: a new link finds that one."""
        if isinstance(frame.method, pika.spec.Basic.Nack):
            self._fail(ConnectionLost("refused"))
            if self._connection.is_open:
                self._connection.close()

    def _take(self, correlation_id: str | None) -> Request | None:
        with self._lock:
            return self._waiting.pop(correlation_id or "", None)

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
        self._loop.stop()

    def _fail(self, error: Exception) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = self._explained(error)
            failure, waiting = self._failure, list(self._waiting.values())
            self._waiting.clear()
            self._unsent.clear()
        for request in waiting:
            request.reply.set_exception(_copy(failure))

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
