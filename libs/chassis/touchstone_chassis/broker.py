"""Opens AMQP connections from an address, with the time limits that every connection of ours has."""

import ssl
import urllib.parse

import amqp

CONNECTION_ERRORS = (amqp.AMQPError, OSError)
"""Everything that a broken connection may raise; py-amqp's own and the socket's."""


def connect(uri: str, *, heartbeat_s: int = 0, name: str = "touchstone") -> amqp.Connection:
    """An open connection to `uri` (`amqp://` or `amqps://`). Raises one of CONNECTION_ERRORS."""
    parts = urllib.parse.urlsplit(uri)
    host = parts.hostname or "127.0.0.1"
    secure = parts.scheme == "amqps"
    connection = amqp.Connection(
        host=f"{host}:{parts.port or (5671 if secure else 5672)}",
        userid=urllib.parse.unquote(parts.username or "guest"),
        password=urllib.parse.unquote(parts.password or "guest"),
        virtual_host=urllib.parse.unquote(parts.path[1:]) or "/",
        ssl={"server_hostname": host, "cert_reqs": ssl.CERT_REQUIRED} if secure else False,
        connect_timeout=5,
        write_timeout=10,
        heartbeat=heartbeat_s,
        client_properties={"connection_name": name},
    )
    connection.connect()
    return connection


def close_quietly(connection: amqp.Connection | None) -> None:
    """Close without waiting for a broker that may be gone."""
    if connection is None:
        return
    try:
        connection.collect()
    except (*CONNECTION_ERRORS, AttributeError):
        pass
