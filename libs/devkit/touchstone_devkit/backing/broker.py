"""Asks a RabbitMQ that is already running: does it answer, and may we have a vhost of our own."""

import contextlib
import socket
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import requests

from touchstone_devkit.backing.sources import hosts_and_ports
from touchstone_devkit.eventually import awaited

DEFAULT_PORT = 5672
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = b"\x01"
REQUEST_TIMEOUT_S = 10


def wait_until_broker_answers(amqp_uri: str, timeout_s: float) -> None:
    """Until it answers as a broker does (the port of a container accepts earlier); raises TimeoutError."""
    host, port = hosts_and_ports(amqp_uri, DEFAULT_PORT)[0]
    awaited(lambda: _greets(host, port), f"RabbitMQ at {host}:{port} did not answer", timeout_s)


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
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    try:
        _ask("PUT", management_uri, "vhosts", vhost)
        _ask("PUT", management_uri, "permissions", vhost, user, json=rights)
    except requests.RequestException:
        return None
    return urlunsplit(urlsplit(amqp_uri)._replace(path=f"/{quote(vhost, safe='')}"))


def delete_vhost(management_uri: str, vhost: str) -> None:
    """With all its queues; quiet when the broker or the vhost has gone."""
    with contextlib.suppress(requests.RequestException):
        _ask("DELETE", management_uri, "vhosts", vhost)


def delete_users(management_uri: str, prefix: str) -> None:
    """Those that `touchstone provision --users` made for an installation; quiet as above."""
    with contextlib.suppress(requests.RequestException):
        names = [user["name"] for user in _ask("GET", management_uri, "users").json()]
        for name in (name for name in names if name.startswith(f"{prefix}-")):
            _ask("DELETE", management_uri, "users", name)


def management_answers(management_uri: str) -> bool:
    try:
        _ask("GET", management_uri, "whoami")
    except requests.RequestException:
        return False
    return True


def _ask(method: str, management_uri: str, *path: str, **options: Any) -> requests.Response:
    uri = "/".join([management_uri.rstrip("/"), "api", *(quote(part, safe="") for part in path)])
    answer = requests.request(method, uri, timeout=REQUEST_TIMEOUT_S, **options)
    answer.raise_for_status()
    return answer
