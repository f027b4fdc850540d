"""Finds the processes of broker and database behind a backing, so that their CPU time can be read."""

import dataclasses
import json
from typing import Any

import psutil

from bench import usage
from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.processes.leftovers import LEDGER

FOREIGN = "the servers were named by the environment: which processes are theirs is not known"


@dataclasses.dataclass(frozen=True)
class ServerProcesses:
    """Roots of process trees. `unknown` says why there are none; then their CPU and foreign load cannot be told."""

    broker: tuple[int, ...] = ()
    database: tuple[int, ...] = ()
    network: tuple[int, ...] = ()
    """Proxies that a Docker engine puts in front of a published port."""
    unknown: str | None = None

    def groups(self) -> dict[str, tuple[int, ...]]:
        return {"broker": self.broker, "database": self.database, "network": self.network}


def processes_of(backing: Backing) -> ServerProcesses:
    """Of servers that the backing started itself, on this machine."""
    if backing.kind == "environment":
        return ServerProcesses(unknown=FOREIGN)
    written = json.loads((backing.ledger.folder / LEDGER).read_text())
    roots, addresses = _of_containers(written["containers"])
    roots += [int(pid) for pid, *_ in written["processes"]]
    broker = tuple(pid for pid in roots if any(name.startswith("beam") for name in usage.names_in_tree(pid)))
    database = tuple(pid for pid in roots if any(name.startswith("mongod") for name in usage.names_in_tree(pid)))
    if not (broker and database):
        return ServerProcesses(unknown="the processes of broker and database are not on this machine")
    return ServerProcesses(broker=broker, database=database, network=_proxies(addresses))


def _of_containers(ids: list[str]) -> tuple[list[int], set[str]]:
    """Process ids of the containers' first processes, and their addresses."""
    if not ids:
        return [], set()
    import docker

    client = docker.from_env()
    try:
        described: list[dict[str, Any]] = [client.containers.get(id).attrs for id in ids]
    finally:
        client.close()
    networks = [network for d in described for network in d["NetworkSettings"]["Networks"].values()]
    return [d["State"]["Pid"] for d in described], {network["IPAddress"] for network in networks}


def _proxies(addresses: set[str]) -> tuple[int, ...]:
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "docker-proxy" and addresses & set(process.info["cmdline"] or []):
            found.append(process.pid)
    return tuple(found)
