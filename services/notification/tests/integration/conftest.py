"""Notification in this process, on a real broker, database and SMTP server, with the events of its neighbours."""

import contextlib
import dataclasses
import datetime
import json
import pathlib
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import nameko
import pika
import pytest
from nameko.containers import ServiceContainer
from pymongo import MongoClient

from notification.service import NotificationService
from touchstone.auth import keys, tokens
from touchstone.rpc.client import Client
from touchstone_chassis.config import for_nameko, load
from touchstone_contracts.envelope import CONTENT_TYPE, unwrap, wrap
from touchstone_contracts.events.notification import NoticeSent
from touchstone_contracts.topology import ServiceTopology, dead_letter, event_queue, events_exchange
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import event_keys
from touchstone_testing.one_service import provision_for

HERE = pathlib.Path(__file__).parent
CONFIG = HERE.parents[1] / "config.yaml"
LISTENER = ServiceTopology(service="listener", consumes=[NoticeSent])
NEIGHBOURS = [ServiceTopology(service="membership"), ServiceTopology(service="certification"), LISTENER]


class MailServer:
    """A process that speaks SMTP; it keeps its port when it is stopped and started again."""

    def __init__(self, folder: pathlib.Path):
        self._file = folder / f"mails-{uuid.uuid4().hex}.jsonl"
        self._file.touch()
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self, certificate: pathlib.Path | None = None) -> None:
        options = ["--port", str(self.port), "--file", str(self._file)]
        if certificate:
            options += ["--certificate", str(certificate)]
        command = [sys.executable, str(HERE / "smtp_server.py"), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout
            self._process.stdout.close()
            self._process = None

    def mails(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._file.read_text("utf-8").splitlines()]


class Neighbours:
    """Who announces things to notification, and hears what it announces."""

    def __init__(self, uri: str, database: Any):
        self._database = database
        self._heard: list[Any] = []
        self._connection = pika.BlockingConnection(pika.URLParameters(uri))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        consumed = [event_queue("notification", event.type_name) for event in NotificationService.topology.consumes]  # type: ignore[attr-defined]
        heard = [event_queue("listener", NoticeSent.type_name), dead_letter("notification")]  # type: ignore[attr-defined]
        for queue in (*consumed, *heard):  # a vhost that is not the test's own holds what earlier tests left
            self._channel.queue_purge(queue)

    def close(self) -> None:
        self._connection.close()

    def announce(
        self, event: Any, *, id: str | None = None, at: datetime.datetime | None = None, sequence: int = 1
    ) -> str:
        """Publish an event as its service would; answers the event's id."""
        id = id or uuid.uuid4().hex
        moment = at or datetime.datetime.now(datetime.UTC)
        message = wrap(event, id=id, time=moment, sequence=sequence, correlation_id="cor-1")
        body = json.dumps(message).encode()
        properties = pika.BasicProperties(
            content_type=CONTENT_TYPE,
            message_id=id,
            delivery_mode=2,
            headers=event_keys().headers(event.producer, body),
        )
        self._channel.basic_publish(
            events_exchange(event.producer), event.routing_key, body, properties, mandatory=True
        )
        return id

    def heard(self) -> list[Any]:
        """All that notification has announced so far: it may come one by one."""
        queue = event_queue("listener", NoticeSent.type_name)  # type: ignore[attr-defined]
        while (taken := self._channel.basic_get(queue, auto_ack=True))[0] is not None:
            self._heard.append(unwrap(json.loads(taken[2]))[1])
        return list(self._heard)

    def given_up(self) -> int:
        waiting = self._channel.queue_declare(dead_letter("notification"), passive=True).method.message_count
        return int(waiting) + int(self._database["dead_letters"].count_documents({}))


def _example(name: str, /, **changes: Any) -> Any:
    text = resources.files("touchstone_contracts").joinpath(f"examples/{name}.v1.json").read_text("utf-8")
    return dataclasses.replace(unwrap(json.loads(text))[1], **changes)


@pytest.fixture
def example() -> Callable[..., Any]:
    """Gives the event of a golden example, changed."""
    return _example


@pytest.fixture
def mail_server(tmp_path: pathlib.Path) -> Iterator[MailServer]:
    server = MailServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def signing(tmp_path: pathlib.Path) -> keys.SigningKey:
    made = keys.init("tests", tmp_path / "private.json", tmp_path / "jwks.json")
    return keys.load(made.private_path)


@pytest.fixture
def environment(
    backing: Any, amqp_uri: str, database_prefix: str, tmp_path: pathlib.Path, signing: Any, mail_server: MailServer
) -> dict[str, str]:
    """What notification's config file is filled in with; changed by a test before it asks for `running`."""
    provision_for(NotificationService.topology, amqp_uri, backing.mongo_uri, database_prefix, NEIGHBOURS)
    return {
        "AMQP_URI": amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "TOUCHSTONE_DATABASE_PREFIX": database_prefix,
        "TOUCHSTONE_JWKS": str(tmp_path / "jwks.json"),
        **event_keys().environment("notification"),
        "TOUCHSTONE_ISSUERS": "tests",
        "NOTIFICATION_HTTP_PORT": "0",
        "TOUCHSTONE_SMTP_PORT": str(mail_server.port),
    }


@pytest.fixture
def settings() -> dict[str, Any]:
    """What a test changes in the settings before it asks for `running`."""
    return {"retry_delays_s": [0.3, 0.3, 0.3], "check_after_s": 0.1, "batch": 2}


@pytest.fixture
def start(environment: dict[str, str], settings: dict[str, Any]) -> Callable[[], Any]:
    """A context in which one replica of the service consumes."""

    @contextlib.contextmanager
    def running() -> Iterator[ServiceContainer]:
        config = load(str(CONFIG), environment) | {"sweep_interval_s": 0.2}
        smtp = config["settings"]["smtp"] | settings.pop("smtp", {})
        config["settings"] |= settings | {"smtp": smtp}
        with nameko.config.patch(for_nameko(config, "notification"), clear=True):
            container = ServiceContainer(NotificationService)
            container.start()
            resources = next(e for e in container.subextensions if type(e).__name__ == "Resources")
            eventually(lambda: resources.consumer._check()[0])
            yield container
            container.stop()

    return running


@pytest.fixture
def neighbours(environment: dict[str, str], database: Any) -> Iterator[Neighbours]:
    neighbours = Neighbours(environment["AMQP_URI"], database)
    yield neighbours
    neighbours.close()


@pytest.fixture
def running(neighbours: Neighbours, start: Callable[[], Any]) -> Iterator[ServiceContainer]:
    with start() as container:
        yield container


@pytest.fixture
def database(environment: dict[str, str]) -> Iterator[Any]:
    with MongoClient(environment["MONGO_URI"], tz_aware=True, readConcernLevel="majority") as client:
        yield client[f"{environment['TOUCHSTONE_DATABASE_PREFIX']}_notification"]


@pytest.fixture
def calling(environment: dict[str, str], signing: Any) -> Iterator[Callable[..., Client]]:
    """Makes clients that call in a role."""
    with contextlib.ExitStack() as stack:

        def client(role: str | None, **party: str) -> Client:
            token = tokens.sign(signing, f"{role}-1", role, **party) if role else None
            return stack.enter_context(Client(environment["AMQP_URI"], token, timeout_s=10))

        yield client
