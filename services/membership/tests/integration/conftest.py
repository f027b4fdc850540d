"""Membership in this process, on a real broker and database, with its own config file; and somebody who listens."""

import contextlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import nameko
import pika
import pytest
from nameko.containers import ServiceContainer
from pymongo import MongoClient

from membership.service import MembershipService
from touchstone.auth import keys, tokens
from touchstone.rpc.client import Client
from touchstone_chassis.config import for_nameko, load
from touchstone_contracts.envelope import unwrap
from touchstone_contracts.events import membership as events
from touchstone_contracts.topology import ServiceTopology, event_queue
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import event_keys
from touchstone_testing.one_service import provision_for

CONFIG = pathlib.Path(__file__).parents[2] / "config.yaml"
TOLD: list[Any] = [
    events.OrganisationRegistered,
    events.MembershipActivated,
    events.MembershipSuspended,
    events.MembershipReinstated,
    events.EntityRegistered,
    events.FacilityRegistered,
    events.ContactChanged,
]
LISTENER = ServiceTopology(service="listener", consumes=TOLD)


class Ear:
    """Hears what membership announces."""

    def __init__(self, uri: str):
        self._connection = pika.BlockingConnection(pika.URLParameters(uri))
        self._channel = self._connection.channel()
        for event in TOLD:  # a vhost that is not the test's own holds what earlier tests left
            self._channel.queue_purge(event_queue("listener", event.type_name))

    def close(self) -> None:
        self._connection.close()

    def heard(self, event: Any) -> tuple[Any, Any]:
        """Envelope and event of the next one of this kind; waits for it."""
        return eventually(lambda: self.next(event))

    def next(self, event: Any) -> tuple[Any, Any] | None:
        method, _, body = self._channel.basic_get(event_queue("listener", event.type_name), auto_ack=True)
        return unwrap(json.loads(body)) if method else None


@pytest.fixture
def signing(tmp_path: pathlib.Path) -> keys.SigningKey:
    made = keys.init("tests", tmp_path / "private.json", tmp_path / "jwks.json")
    return keys.load(made.private_path)


@pytest.fixture
def environment(
    backing: Any, amqp_uri: str, database_prefix: str, tmp_path: pathlib.Path, signing: Any
) -> dict[str, str]:
    """What membership's config file is filled in with."""
    provision_for(MembershipService.topology, amqp_uri, backing.mongo_uri, database_prefix, [LISTENER])
    return {
        "AMQP_URI": amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "TOUCHSTONE_DATABASE_PREFIX": database_prefix,
        "TOUCHSTONE_JWKS": str(tmp_path / "jwks.json"),
        **event_keys().environment("membership"),
        "TOUCHSTONE_ISSUERS": "tests",
        "MEMBERSHIP_HTTP_PORT": "0",
    }


@pytest.fixture
def ear(environment: dict[str, str]) -> Iterator[Ear]:
    ear = Ear(environment["AMQP_URI"])
    yield ear
    ear.close()


@pytest.fixture
def running(ear: Ear, environment: dict[str, str]) -> Iterator[ServiceContainer]:
    config = for_nameko(load(str(CONFIG), environment) | {"sweep_interval_s": 0.2}, "membership")
    with nameko.config.patch(config, clear=True):
        container = ServiceContainer(MembershipService)
        container.start()
        resources = next(e for e in container.subextensions if type(e).__name__ == "Resources")
        eventually(lambda: resources.consumer._check()[0])
        yield container
        container.stop()


@pytest.fixture
def database(environment: dict[str, str]) -> Iterator[Any]:
    with MongoClient(environment["MONGO_URI"], tz_aware=True, readConcernLevel="majority") as client:
        yield client[f"{environment['TOUCHSTONE_DATABASE_PREFIX']}_membership"]


@pytest.fixture
def calling(running: ServiceContainer, environment: dict[str, str], signing: Any) -> Iterator[Callable[..., Any]]:
    """Makes clients of membership that call in a role."""
    with contextlib.ExitStack() as stack:

        def client(role: str | None, **party: str) -> Any:
            token = tokens.sign(signing, f"{role}-1", role, **party) if role else None
            return stack.enter_context(Client(environment["AMQP_URI"], token, timeout_s=10)).membership

        yield client


@pytest.fixture
def secretariat(calling: Callable[..., Any]) -> Any:
    return calling("secretariat")
