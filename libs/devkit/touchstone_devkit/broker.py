"""Asks a RabbitMQ that is already running: does it answer, and may we have a vhost of our own."""

import contextlib
import time
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import pika
import requests
from pika.exceptions import AMQPError

REQUEST_TIMEOUT_S = 10


def wait_until_broker_answers(amqp_uri: str, timeout_s: float) -> None:
    """Until an AMQP connection opens and a channel on it; raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    last: BaseException | None = None
    while time.monotonic() < deadline:
        try:
            connection = pika.BlockingConnection(pika.URLParameters(amqp_uri))
            connection.channel()
            connection.close()
            return
        except (AMQPError, OSError) as error:
            last = error
            time.sleep(0.2)
    raise TimeoutError(f"RabbitMQ did not open a connection within {timeout_s:.0f} s: {last!r}")


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
