"""Starts and ends what is measured: a peer's processes, or Touchstone's, each on databases and a vhost of its own."""

import contextlib
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from pymongo import MongoClient

from bench.children import Child, Children
from bench.environments import PEERS
from bench.servers import ServerProcesses
from bench.work_given import GivenWork
from touchstone.auth import keys
from touchstone.auth.tokens import AUDIENCE
from touchstone_devkit.backing.broker import create_vhost, delete_vhost
from touchstone_devkit.backing.choosing import Backing

READY_TIMEOUT_S = 60
PEER_SERVICES = ("assessment", "certification", "notification")


class NoVhost(RuntimeError):
    """The broker gives no vhost of one's own: queues of two subjects would meet."""


class Surroundings:
    """What all subjects stand on: servers, the work given, and the benchmark's processes."""

    def __init__(self, backing: Backing, servers: ServerProcesses, work: GivenWork, children: Children) -> None:
        self.backing, self.servers, self.work, self.children = backing, servers, work, children
        self.mongo: MongoClient[dict[str, Any]] = MongoClient(backing.mongo_uri)


class Subject(Protocol):
    """A system that runs. `submitted` counts the audits that it was given so far."""

    name: str
    python: Path
    client_folder: Path
    amqp_uri: str
    prefix: str
    contacts: int
    submitted: int
    start_s: float
    """From the start of its processes until all of them were ready."""

    def pids(self) -> Mapping[str, int]: ...

    def faults(self) -> list[str]: ...

    def stop(self) -> None: ...


class Peer:
    """One of the folders in bench/peers. `processes` is how many there are of each service."""

    def __init__(self, around: Surroundings, name: str, python: Path, *, contacts: int, processes: int = 1) -> None:
        self.name, self.python, self.contacts, self.submitted = name, python, contacts, 0
        self.client_folder = PEERS / name
        self.prefix = f"bench_{secrets.token_hex(4)}"
        self._around = around
        self._children: dict[str, Child] = {}
        self._steps_down = contextlib.ExitStack()
        try:
            self.amqp_uri = self._own_vhost()
            self._steps_down.callback(drop_databases, around.mongo, self.prefix)
            seeding()(around.backing.mongo_uri, self.prefix, around.work.report, contacts)
            self.start_s = self._start(processes)
        except BaseException:
            self.stop()
            raise

    def pids(self) -> Mapping[str, int]:
        return {name: child.pid for name, child in self._children.items()}

    def faults(self) -> list[str]:
        """Counts are looked at elsewhere, alike for all; here: processes that have ended."""
        return [f"{name} has ended" for name, child in self._children.items() if not child.is_running()]

    def stop(self) -> None:
        """Processes first, then their queues and databases. Safe to repeat."""
        self._around.children.stop(*self._children.values())
        self._children.clear()
        self._steps_down.close()

    def _own_vhost(self) -> str:
        backing, vhost = self._around.backing, f"bench-{secrets.token_hex(4)}"
        own = create_vhost(backing.management_uri, backing.amqp_uri, vhost) if backing.management_uri else None
        if own is None:
            raise NoVhost("the broker's management API is needed, for a vhost of each subject's own")
        self._steps_down.callback(delete_vhost, backing.management_uri or "", vhost)
        return own

    def _start(self, processes: int) -> float:
        begun = time.monotonic()
        for service in PEER_SERVICES:
            for number in range(1, processes + 1):
                label = service if number == 1 else f"{service}-{number}"
                command = [str(self.python), str(self.client_folder / "serve.py"), service]
                self._children[label] = self._around.children.start(
                    f"{self.name}-{label}", command, self._environment()
                )
        for child in self._children.values():
            child.wait_until_ready(READY_TIMEOUT_S)
        return time.monotonic() - begun

    def _environment(self) -> dict[str, str]:
        return {
            "AMQP_URI": self.amqp_uri,
            "MONGO_URI": self._around.backing.mongo_uri,
            "BENCH_PREFIX": self.prefix,
            "BENCH_JWKS": str(self._around.work.jwks_path),
            "BENCH_AUDIENCE": AUDIENCE,
            "BENCH_ISSUERS": keys.DEFAULT_ISSUER,
            "BENCH_CONTACTS": str(self.contacts),
            "PYTHONUNBUFFERED": "1",
        }


def drop_databases(mongo: "MongoClient[dict[str, Any]]", prefix: str) -> None:
    for name in mongo.list_database_names():
        if name.startswith(f"{prefix}_"):
            mongo.drop_database(name)


def seeding() -> Callable[[str, str, Mapping[str, Any], int], None]:
    """`seed` of the work that the peers share."""
    if str(PEERS) not in sys.path:
        sys.path.append(str(PEERS))
    import work  # type: ignore[import-not-found]

    seed: Callable[[str, str, Mapping[str, Any], int], None] = work.seed
    return seed
