"""The whole system as containers: the project of docker-compose.yml, for `make up`."""

import shutil
import subprocess

from touchstone_devkit.docker import look_for_engine
from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.leftovers import Ledger
from touchstone_devkit.sources import Announce, Servers, Unavailable

FILE = CHECKOUT / "docker-compose.yml"
NOT_PUBLISHED = ""
"""Addresses inside the project's own network are of no use outside it."""


def start(ledger: Ledger, announce: Announce) -> Servers:
    """Builds, starts and awaits the project; it outlives this process. Raises Unavailable where it cannot."""
    why = look_for_engine(announce)
    if not shutil.which("docker") or _compose("version", quiet=True) != 0:
        raise Unavailable(f"{why}, but there is no `docker compose`")
    announce("docker compose up: building and starting, until every container is healthy ...")
    if _compose("up", "--detach", "--build", "--wait") != 0:
        raise Unavailable(f"{why}, but `docker compose up --wait` failed: its output is above")
    return Servers(amqp_uri=NOT_PUBLISHED, mongo_uri=NOT_PUBLISHED, management_uri=None, why=why, stop=lambda: None)


def stop() -> bool:
    """Stops and removes the project's containers; its volumes stay."""
    return _compose("down") == 0


def _compose(*arguments: str, quiet: bool = False) -> int:
    sink = subprocess.DEVNULL if quiet else None
    command = ["docker", "compose", "--file", str(FILE), *arguments]
    return subprocess.run(command, cwd=CHECKOUT, stdout=sink, stderr=sink, check=False).returncode
