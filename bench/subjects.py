"""Starts and ends the peers that are measured: processes on databases and a vhost of their own."""

import contextlib
import dataclasses
import itertools
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pymongo import MongoClient

from bench.children import Child, Children
from bench.environments import PEER_SERVICES, PEERS
from bench.peers.work import seed
from bench.usage import Groups
from bench.work_given import GivenWork
from touchstone_devkit.backing.broker import create_vhost, delete_vhost
from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.processes.running import LocalProcess

READY_TIMEOUT_S = 60


class Surroundings(NamedTuple):
    """What all subjects stand on: servers, the work given, and the benchmark's processes."""

    backing: Backing
    servers: Groups | None
    """None where they are foreign, so that their CPU and foreign load cannot be told."""
    work: GivenWork
    children: Children
    mongo: "MongoClient[dict[str, Any]]"


@dataclasses.dataclass(repr=False)
class Subject:
    """A system that runs. `submitted` counts the audits that it was given so far."""

    name: str
    python: Path
    client: Path
    amqp_uri: str
    prefix: str
    contacts: int
    start_s: float
    """From the start of its processes until all of them were ready."""
    processes: Mapping[str, Child | LocalProcess]
    mongo: "MongoClient[dict[str, Any]]"
    submitted: int = dataclasses.field(default=0, init=False)

    def collection(self, service: str, name: str) -> Any:
        return self.mongo[f"{self.prefix}_{service}"][name]

    def learn(self, audits: int) -> None:
        """So many audits, each of an entity of its own, are about to be handed in: from the first one of all on."""

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self.processes.items()}

    def faults(self) -> list[str]:
        """Counts are looked at elsewhere, alike for all; here: processes that have ended."""
        return [f"{name} has ended" for name, process in self.processes.items() if not process.is_running()]


@contextlib.contextmanager
def peer(around: Surroundings, name: str, python: Path, *, contacts: int, processes: int) -> Iterator[Subject]:
    """One of the folders in bench/peers. `processes` is how many there are of each service."""
    prefix, children = f"bench_{secrets.token_hex(4)}", dict[str, Child]()
    with contextlib.ExitStack() as stack:
        amqp_uri = _own_vhost(around.backing, stack)
        for service in PEER_SERVICES:
            stack.callback(around.mongo.drop_database, f"{prefix}_{service}")
        seed(around.backing.mongo_uri, prefix, around.work.report, contacts)
        stack.callback(lambda: around.children.stop(*children.values()))
        servers = {"AMQP_URI": amqp_uri, "MONGO_URI": around.backing.mongo_uri, "BENCH_PREFIX": prefix}
        begun = time.monotonic()
        for number, service in itertools.product(range(1, processes + 1), PEER_SERVICES):
            label = service if number == 1 else f"{service}-{number}"
            command = [str(python), str(PEERS / name / "serve.py"), service]
            children[label] = around.children.start(f"{name}-{label}", command, around.work.environment | servers)
        for child in children.values():
            child.wait_until_ready(READY_TIMEOUT_S)
        start_s, client = time.monotonic() - begun, PEERS / name / "client.py"
        yield Subject(name, python, client, amqp_uri, prefix, contacts, start_s, children, around.mongo)


def _own_vhost(backing: Backing, stack: contextlib.ExitStack) -> str:
    vhost = f"bench-{secrets.token_hex(4)}"
    own = create_vhost(backing.management_uri, backing.amqp_uri, vhost) if backing.management_uri else None
    if own is None:
        raise RuntimeError("the broker's management API is needed: without vhosts of their own queues would meet")
    stack.callback(delete_vhost, backing.management_uri or "", vhost)
    return own
