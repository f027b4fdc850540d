"""RabbitMQ and MongoDB at the addresses that the environment gives."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from touchstone_devkit.backing.broker import management_answers
from touchstone_devkit.backing.sources import Servers, Unavailable, hosts_and_ports
from touchstone_devkit.processes.ports import answers

MANAGEMENT_PORT = 15672


def start(environment: Mapping[str, str] = os.environ) -> Servers:
    """Raises Unavailable when an address is missing, ConnectionError when one is given and nothing answers there.

    `AMQP_MANAGEMENT_URI` may name the management API; else the broker's host is asked on port 15672.
    """
    amqp_uri, mongo_uri = environment.get("AMQP_URI"), environment.get("MONGO_URI")
    missing = [name for name, value in (("AMQP_URI", amqp_uri), ("MONGO_URI", mongo_uri)) if not value]
    if missing or not amqp_uri or not mongo_uri:
        raise Unavailable(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
    for name, uri, default_port in (("AMQP_URI", amqp_uri, 5672), ("MONGO_URI", mongo_uri, 27017)):
        places = hosts_and_ports(uri, default_port)
        if not uri.startswith("mongodb+srv:") and not any(answers(*place, timeout_s=5) for place in places):
            named = " or ".join(f"{host}:{port}" for host, port in places)
            raise ConnectionError(f"{name} is set, but nothing answers at {named}")
    return Servers(
        amqp_uri=amqp_uri,
        mongo_uri=mongo_uri,
        management_uri=_management_uri(environment, amqp_uri),
        why="AMQP_URI and MONGO_URI are set",
        stop=lambda: None,
    )


def _management_uri(environment: Mapping[str, str], amqp_uri: str) -> str | None:
    given = environment.get("AMQP_MANAGEMENT_URI")
    parts = urlsplit(amqp_uri)
    credentials = parts.netloc.rpartition("@")[0] or "guest:guest"
    uri = given or f"http://{credentials}@{parts.hostname or '127.0.0.1'}:{MANAGEMENT_PORT}"
    return uri if management_answers(uri) else None
