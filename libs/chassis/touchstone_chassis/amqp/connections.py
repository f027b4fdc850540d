"""Opens AMQP connections from an address, with the time limits that every connection of ours has."""

import contextlib
import ssl
import struct
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import amqp
import amqp.serialization
import amqp.spec
import structlog
from eventlet import patcher

from touchstone_chassis.amqp.bodies import Room, frame_handler
from touchstone_contracts.addresses import addresses_of

log = structlog.get_logger(__name__)

_select: Any = patcher.original("select")  # eventlet's has no poll, and its select lets others run

CONNECTION_ERRORS = (amqp.AMQPError, OSError, EOFError)
"""Everything that a broken connection may raise: py-amqp's own, the socket's, and eventlet's when another green thread
closed the socket."""

CONNECT_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_EACH_S = 2.0
"""For each step of connecting to one of several nodes: one that accepts and then says nothing must not take long."""

SENT_AT_ONCE_MAX = 256 * 1024

UNREADABLE = "touchstone-unreadable"
"""The only property of a message whose properties cannot be read: their bytes."""


def _properties_or_a_mark(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    try:
        properties, end = amqp.serialization.decode_properties_basic(buffer, offset)
        return properties, end
    except Exception:  # text that is no UTF-8, a time beyond all years, a type of value that py-amqp does not know
        return {UNREADABLE: bytes(buffer[offset:])}, len(buffer)


amqp.serialization.PROPERTY_CLASSES[amqp.spec.Basic.CLASS_ID] = _properties_or_a_mark


class _Channel(amqp.Channel):
    """Rejects a message that py-amqp cannot read: an exception would cost the connection, and with each new one the
    message would come again, until the delivery limit had parked all its neighbours as well. Where there is no
    further place for it, it is handed on, as far as it can be read."""

    last_stop = False

    def _do_revive(self) -> None:
        """py-amqp would open a channel that the broker closed anew: without its consumer or its confirms, and with
        delivery tags that mean something else."""
        self.is_open = False

    def dispatch_method(self, method_sig: Any, payload: bytes, content: Any) -> None:
        if method_sig != amqp.spec.Basic.Deliver:
            super().dispatch_method(method_sig, payload, content)
            return
        try:
            if self.last_stop or UNREADABLE not in content.properties:
                super().dispatch_method(method_sig, payload, content)
                return
        except UnicodeDecodeError:  # the routing key is no UTF-8
            if self.last_stop:
                super().dispatch_method(method_sig, _with_plain_routing_key(payload), content)
                return
        log.error("message_unreadable")
        content.free()
        self.basic_reject(_delivery_tag(payload), requeue=False)


def _delivery_tag(payload: bytes) -> int:
    """Of a basic.deliver: after its class and method (4 bytes) and the consumer tag (a length, a text)."""
    (tag,) = struct.unpack_from(">Q", payload, 5 + payload[4])
    return int(tag)


def _with_plain_routing_key(payload: bytes) -> bytes:
    """The payload of a basic.deliver with a question mark for each byte of its routing key that is no ASCII."""
    exchange = 4 + 1 + payload[4] + 8 + 1  # where its length stands; the routing key is what comes after it
    start = exchange + 1 + payload[exchange] + 1
    return payload[:start] + bytes(byte if byte < 0x80 else 0x3F for byte in payload[start:])


class _Connection(amqp.Connection):
    Channel = _Channel
    uri = ""
    """The address that `connect` was given."""
    address = ""
    """That of the node it leads to."""

    def __init__(self, **kwargs: Any):
        super().__init__(frame_handler=frame_handler, **kwargs)
        self.rooms: dict[str, Room] = {}
        """Where the bodies for a consumer go, by its tag."""


def connect(uri: str, *, heartbeat_s: int = 0, name: str = "touchstone") -> amqp.Connection:
    """An open connection to `uri` (`amqp://` or `amqps://`). Raises one of CONNECTION_ERRORS.

    Where `uri` names several hosts it is the first that lets us in; see touchstone_contracts.addresses for the order.
    """
    addresses = addresses_of(uri)
    timeout_s = CONNECT_TIMEOUT_S if len(addresses) == 1 else CONNECT_TIMEOUT_EACH_S
    *others, last = addresses.in_turn()
    for address in others:
        try:
            return _connect(uri, address, timeout_s, heartbeat_s, name)
        except CONNECTION_ERRORS as error:
            log.info("broker_node_not_reached", error=type(error).__name__)
    return _connect(uri, last, timeout_s, heartbeat_s, name)


def avoid(connection: amqp.Connection | None) -> bool:
    """Its node did not do what it was asked: for a while, those that connect try the others first, if there are any."""
    if not isinstance(connection, _Connection):
        return False
    addresses = addresses_of(connection.uri)
    addresses.avoid(connection.address)
    return len(addresses) > 1


def address_of(connection: amqp.Connection | None) -> str:
    """Of the node that it leads to; empty for none."""
    return connection.address if isinstance(connection, _Connection) else ""


def _connect(uri: str, address: str, timeout_s: float, heartbeat_s: int, name: str) -> amqp.Connection:
    parts = urllib.parse.urlsplit(address)
    host = parts.hostname or "127.0.0.1"
    secure = parts.scheme == "amqps"
    connection = _Connection(
        host=f"{host}:{parts.port or (5671 if secure else 5672)}",
        userid=urllib.parse.unquote(parts.username or "guest"),
        password=urllib.parse.unquote(parts.password or "guest"),
        virtual_host=urllib.parse.unquote(parts.path[1:]) or "/",
        ssl={"server_hostname": host, "cert_reqs": ssl.CERT_REQUIRED} if secure else False,
        connect_timeout=timeout_s,
        write_timeout=10,
        heartbeat=heartbeat_s,
        client_properties={"connection_name": name},
    )
    connection.uri, connection.address = uri, address
    try:
        connection.connect()
    except BaseException:  # also a caller's own time limit
        avoid(connection)
        close_quietly(connection)
        raise
    return connection


@contextlib.contextmanager
def in_one_send(connection: amqp.Connection) -> Iterator[None]:
    """What is written to the connection inside is sent together at the end; nothing of it where the block raises.

    A send per frame costs more than the frame. Whoever uses it keeps other greenlets from writing meanwhile. Raises one
    of CONNECTION_ERRORS for a connection that was closed.
    """
    transport = _transport_of(connection)
    send = transport._write
    gathered = transport._write = _Gathered(send)
    try:
        yield
        gathered.send_all()
    finally:
        transport._write = send


class _Gathered:
    """Frames that wait to be sent; copied, since py-amqp lends them out of a buffer of its own.

    What py-amqp itself answers while it reads may be written in the middle of a send: it waits for its end.
    """

    def __init__(self, send: Callable[[bytes], Any]):
        self._send, self._frames, self._sending = send, bytearray(), False

    def __call__(self, frames: bytes) -> None:
        self._frames += frames
        if len(self._frames) > SENT_AT_ONCE_MAX and not self._sending:
            self.send_all()

    def send_all(self) -> None:
        self._sending = True
        while self._frames:
            frames, self._frames = self._frames, bytearray()
            self._send(bytes(frames))
        self._sending = False


def publish(channel: amqp.Channel, message: amqp.Message, exchange: str, routing_key: str) -> None:
    """Publish, mandatory. py-amqp's own would read from the socket before each message to see whether the broker is
    short of memory; whoever publishes here waits for confirms with a time limit instead, or needs none."""
    channel.send_method(amqp.spec.Basic.Publish, "Bssbb", (0, exchange, routing_key, True, False), message)


def has_something_to_read(connection: amqp.Connection) -> bool:
    """Whether bytes wait that nobody has read. Waits for none; raises one of CONNECTION_ERRORS for a closed one."""
    sock = _transport_of(connection).sock
    if getattr(sock, "pending", None) and sock.pending():  # TLS has decrypted more than was asked for
        return True
    poll = _select.poll()
    poll.register(sock.fileno(), _select.POLLIN)
    return bool(poll.poll(0))


def _transport_of(connection: amqp.Connection) -> Any:
    transport = connection._transport  # the public property would connect anew
    if transport is None:
        raise amqp.RecoverableConnectionError("the connection is closed")
    return transport


def close_quietly(connection: amqp.Connection | None) -> None:
    """Close without waiting for a broker that may be gone."""
    if connection is None:
        return
    try:
        transport = connection._transport  # the public property would connect anew
        if transport is not None and transport.sock is not None:
            transport.sock.settimeout(1)  # TLS says goodbye, and would wait for ever for the answer
        connection.collect()
    except (*CONNECTION_ERRORS, AttributeError):
        pass
