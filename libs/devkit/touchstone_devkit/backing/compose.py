"""The whole system as containers: the project of docker-compose.yml, for `make up`."""

import os
import shutil
import subprocess

from touchstone_devkit.backing.docker import look_for_engine
from touchstone_devkit.backing.sources import Announce, Servers, Unavailable
from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import usual_http_ports

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


def where() -> list[str]:
    """Lines that say where to look; the ports are those of docker-compose.yml."""
    usual = usual_http_ports()
    given = {name: os.environ.get(f"{name.upper()}_HTTP_PORT", str(port)) for name, port in usual.items()}
    lines = [f"{name:<14} http://127.0.0.1:{port}/ready" for name, port in given.items()]
    management_port = os.environ.get("TOUCHSTONE_MANAGEMENT_PORT", "15672")
    return [
        *lines,
        f"{'broker':<14} http://guest:guest@127.0.0.1:{management_port}",
        f"{'logs':<14} docker compose logs --follow",
        f"{'command line':<14} docker compose run --rm touchstone --help",
    ]


def stop() -> bool:
    """Stops and removes the project's containers; its volumes stay."""
    return _compose("down") == 0


def _compose(*arguments: str, quiet: bool = False) -> int:
    sink = subprocess.DEVNULL if quiet else None
    command = ["docker", "compose", "--file", str(FILE), *arguments]
    return subprocess.run(command, cwd=CHECKOUT, stdout=sink, stderr=sink, check=False).returncode
