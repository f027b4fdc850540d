"""A broker's port that shakes hands as far as it is told, and then refuses, hangs up, or lets the client in."""

import contextlib
import enum
import socket
import struct
import threading

from pika import frame, spec

_PROPERTIES = {"capabilities": {"authentication_failure_close": True}}
_QUIET_S = 5
_FAREWELL = struct.pack(">I", spec.Connection.Close.INDEX)


class Ending(enum.Enum):
    """How each connection ends."""

    PASSWORD_REFUSED = "403 while it shows who it is"
    VHOST_REFUSED = "530 when it names its virtual host, as a node does that is coming up"
    HUNG_UP = "without a word, as of a node that dies"
    LET_IN = "not: it is open until the client closes it"


class RefusingBroker:
    """Inside the block it listens at `address` (`host:port`), and counts its `connections`."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending
        self.connections = 0
        self._over = False
        self._connection = socket.socket()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "RefusingBroker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        with contextlib.suppress(OSError):  # wakes it
            socket.create_connection(self._listener.getsockname(), timeout=_QUIET_S).close()
        with contextlib.suppress(OSError):  # and lets go of who was let in
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(_QUIET_S)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._over:
                connection.close()
                return
            self._connection = connection
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_QUIET_S)
                self._shake_hands(connection)

    def _shake_hands(self, connection: socket.socket) -> None:
        connection.recv(8)
        _say(connection, spec.Connection.Start(0, 9, _PROPERTIES, "PLAIN", "en_US"))
        if self.ending is Ending.PASSWORD_REFUSED:
            _say(connection, spec.Connection.Close(403, "ACCESS_REFUSED - Login was refused", 0, 0))
            connection.recv(4096)
            return
        if self.ending is Ending.HUNG_UP:
            connection.shutdown(socket.SHUT_WR)
            return
        _say(connection, spec.Connection.Tune(0, 131_072, 0))
        if self.ending is Ending.VHOST_REFUSED:
            _say(connection, spec.Connection.Close(530, "NOT_ALLOWED - vhost '/' is down", 0, 0))
            connection.recv(4096)
            return
        _say(connection, spec.Connection.OpenOk())
        while said := connection.recv(4096):
            if _FAREWELL in said:
                connection.sendall(frame.Method(0, spec.Connection.CloseOk()).marshal())


def _say(connection: socket.socket, method: object) -> None:
    """After whatever the client says first."""
    if not isinstance(method, spec.Connection.Start):
        connection.recv(4096)
    connection.sendall(frame.Method(0, method).marshal())
