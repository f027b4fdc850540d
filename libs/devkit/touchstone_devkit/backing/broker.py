"""Asks a RabbitMQ that is already running: does it answer, and may we have a vhost of our own."""

import contextlib
import socket
import time
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import requests

from touchstone_devkit.backing.sources import host_and_port

DEFAULT_PORT = 5672
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = b"\x01"
REQUEST_TIMEOUT_S = 10


def wait_until_broker_answers(amqp_uri: str, timeout_s: float) -> None:
    """Until it answers as a broker does (the port of a container accepts earlier); raises TimeoutError."""
    host, port = host_and_port(amqp_uri, DEFAULT_PORT)
    deadline = time.monotonic() + timeout_s
    while not _greets(host, port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"RabbitMQ at {host}:{port} did not answer within {timeout_s:.0f} s")
        time.sleep(0.1)


def _greets(host: str, port: int) -> bool:
    """True if a protocol header is answered with a method frame, which is `connection.start`."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(PROTOCOL_HEADER)
            return connection.recv(1) == METHOD_FRAME
    except OSError:
        return False


def create_vhost(management_uri: str, amqp_uri: str, vhost: str) -> str | None:
    """Makes a vhost for the user of `amqp_uri` and returns its AMQP URI; None where the broker does not allow it."""
    user = unquote(urlsplit(amqp_uri).username or "guest")
    api = f"{management_uri.rstrip('/')}/api"
    try:
        requests.put(f"{api}/vhosts/{quote(vhost, safe='')}", timeout=REQUEST_TIMEOUT_S).raise_for_status()
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        path = f"{api}/permissions/{quote(vhost, safe='')}/{quote(user, safe='')}"
        requests.put(path, json=rights, timeout=REQUEST_TIMEOUT_S).raise_for_status()
    except requests.RequestException:
        return None
    return urlunsplit(urlsplit(amqp_uri)._replace(path=f"/{quote(vhost, safe='')}"))


def delete_vhost(management_uri: str, vhost: str) -> None:
    """With all its queues; quiet when the broker or the vhost has gone."""
    with contextlib.suppress(requests.RequestException):
        requests.delete(f"{management_uri.rstrip('/')}/api/vhosts/{quote(vhost, safe='')}", timeout=REQUEST_TIMEOUT_S)


def management_answers(management_uri: str) -> bool:
    try:
        return requests.get(f"{management_uri.rstrip('/')}/api/whoami", timeout=REQUEST_TIMEOUT_S).ok
    except requests.RequestException:
        return False
