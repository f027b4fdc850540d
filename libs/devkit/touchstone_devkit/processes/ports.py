"""Finds TCP ports on loopback that nobody listens on."""

import fcntl
import functools
import os
import random
import socket
import tempfile
from pathlib import Path

from touchstone_contracts.services import SERVICES

FIRST, LAST = 20_000, 32_000
"""Below the range that the kernel gives to outgoing connections: a port that is free stays free until it is used."""


HTTP_FIRST = 8101
"""Where `make up` and compose put the first service; the others follow it."""


def usual_http_ports() -> dict[str, int]:
    """The port of each service where nobody chose another, as docker-compose.yml has them, too."""
    return {service: HTTP_FIRST + place for place, service in enumerate(SERVICES)}


def free_ports(count: int) -> list[int]:
    """`count` different ports, which no other process of this user is given until this one ends: a server may start
    long after its port was drawn."""
    found: list[int] = []
    for port in random.sample(range(FIRST, LAST), 2_000):
        if is_free(port) and _reserve(port):
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"no {count} free TCP ports between {FIRST} and {LAST} on loopback")


def _reserve(port: int) -> bool:
    """False if another process has it. Whoever has one already may draw it again once nobody listens there."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    return True


@functools.cache
def _reservations() -> int:
    """A file of which each process locks the bytes of its ports. It stays open: the kernel frees them at the end."""
    path = Path(tempfile.gettempdir(), f"touchstone-ports-{os.getuid()}")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def is_free(port: int) -> bool:
    """True if a server could listen there now; connections that were closed a moment ago do not matter."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(host: str, port: int, timeout_s: float = 2) -> bool:
    """True if something accepts a connection there."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True
