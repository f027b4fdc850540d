"""Decides, in this one place, where RabbitMQ and MongoDB come from, and says in one line what it chose and why.

The order: addresses in the environment (`AMQP_URI`, `MONGO_URI`); a Docker engine that can run the images; native
processes. `TOUCHSTONE_BACKING=environment|docker|native` forces one of them.
"""

import atexit
import importlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Self

from touchstone_devkit.backing.sources import Announce, Servers, Unavailable
from touchstone_devkit.processes.leftovers import Ledger, new_run

Source = Callable[[Ledger, Announce], Servers]
ORDER = ("environment", "docker", "native")
FORCING_VARIABLE = "TOUCHSTONE_BACKING"

WAYS_OUT = """Any one of these helps:
  - start a Docker engine that has, or can pull, rabbitmq:4-management and mongo:8.0;
  - install RabbitMQ yourself (Debian, Ubuntu: apt-get install rabbitmq-server), or let apt reach a Debian mirror;
    MongoDB comes by itself on Linux x86-64, elsewhere put `mongod` (6.0 or later) on the PATH;
  - name servers that you already have:
    AMQP_URI=amqp://user:password@host:5672/ MONGO_URI='mongodb://host:27017/?replicaSet=rs0'"""


class NoBacking(RuntimeError):
    """RabbitMQ and MongoDB cannot be had here; the message says why and names the ways out."""


class Backing:
    """RabbitMQ and MongoDB, up: addresses with credentials, `kind`, `reason`, and `stop()`. Also a context manager."""

    def __init__(self, kind: str, servers: Servers, ledger: Ledger) -> None:
        self.kind = kind
        self.reason = servers.why
        self.amqp_uri = servers.amqp_uri
        self.mongo_uri = servers.mongo_uri
        self.management_uri = servers.management_uri
        self.ledger = ledger
        self._servers: Servers | None = servers
        atexit.register(self.stop)

    def stop(self) -> None:
        """Stops what was started for it, which is nothing for servers that the environment named. Safe to repeat."""
        if self._servers is not None:
            servers, self._servers = self._servers, None
            atexit.unregister(self.stop)
            servers.stop()
            self.ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start_backing(
    *,
    environment: Mapping[str, str] = os.environ,
    announce: Announce = print,
    known: "Mapping[str, Source] | None" = None,
) -> Backing:
    """Finds or starts RabbitMQ and MongoDB, from `known` sources or the usual ones.

    Raises NoBacking with one clear message if none can be had.
    """
    with new_run() as ledger:
        known = known or sources(environment)
        return choose(known, ledger, forced=environment.get(FORCING_VARIABLE), announce=announce)


def sources(environment: Mapping[str, str]) -> dict[str, Source]:
    """Each source by its name. Imported when it is its turn, so that a machine needs only what its own source needs."""

    def source(kind: str) -> Source:
        def start(ledger: Ledger, announce: Announce) -> Servers:
            started = importlib.import_module(f"touchstone_devkit.backing.{kind}").start
            servers: Servers = started(environment) if kind == "environment" else started(ledger, announce)
            return servers

        return start

    return {kind: source(kind) for kind in ORDER}


def choose(known: Mapping[str, Source], ledger: Ledger, *, forced: str | None, announce: Announce) -> Backing:
    """The first source of ORDER that is available, or the forced one and no other."""
    if forced and forced not in ORDER:
        raise NoBacking(f"{FORCING_VARIABLE}={forced} is unknown: it is one of {', '.join(ORDER)}.")
    refusals: dict[str, str] = {}
    for kind in (forced,) if forced else ORDER:
        begun = time.monotonic()
        try:
            servers = known[kind](ledger, announce)
        except Unavailable as refusal:
            refusals[kind] = str(refusal)
            continue
        except ConnectionError as error:
            raise NoBacking(
                f"{error}. Start it, or unset AMQP_URI and MONGO_URI to have servers started here."
            ) from error
        announce(_decision(kind, servers.why, refusals, forced=bool(forced), took_s=time.monotonic() - begun))
        return Backing(kind, servers, ledger)
    tried = "\n".join(f"  - {kind}: {refusal}" for kind, refusal in refusals.items())
    raise NoBacking(f"RabbitMQ and MongoDB cannot be had here:\n{tried}\n{WAYS_OUT}")


def _decision(kind: str, why: str, refusals: Mapping[str, str], *, forced: bool, took_s: float) -> str:
    reasons = [f"{FORCING_VARIABLE}={kind}"] if forced else list(refusals.values())
    return f"RabbitMQ and MongoDB: {kind} ({'; '.join([*reasons, why])}; {took_s:.1f} s)"
