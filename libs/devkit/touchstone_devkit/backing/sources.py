"""What the places where RabbitMQ and MongoDB can come from have in common."""

import dataclasses
from collections.abc import Callable
from urllib.parse import urlsplit

Announce = Callable[[str], None]


class Unavailable(Exception):
    """Why a source cannot give RabbitMQ and MongoDB here; the message is one clause, for people."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Servers:
    """A running RabbitMQ and MongoDB: addresses with credentials, why they were chosen, and how to stop them.

    `management_uri` is the management API and page (`http://user:password@host:port`), or None where there is none.
    """

    amqp_uri: str
    mongo_uri: str
    management_uri: str | None
    why: str
    stop: Callable[[], None]


def hosts_and_ports(uri: str, default_port: int) -> list[tuple[str, int]]:
    """Of an AMQP or MongoDB URI, which may name several hosts."""
    locations = urlsplit(uri).netloc.rpartition("@")[2].split(",")
    parts = [urlsplit(f"//{location}") for location in locations]
    return [(part.hostname or "127.0.0.1", part.port or default_port) for part in parts]
