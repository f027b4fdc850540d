"""A toy service in this process, on real servers: what the chassis promises is tested on it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import eventlet
import nameko
import pika
import pytest
from joserfc.jwk import KeySet, OKPKey
from joserfc.jwt import encode
from marshmallow import Schema, fields, validate
from nameko.containers import ServiceContainer

from touchstone.provisioning.provision import provision
from touchstone_chassis.amqp import channels
from touchstone_chassis.api import DomainClock, Stored, command, on_event, on_job, on_message, query
from touchstone_chassis.config import for_nameko
from touchstone_contracts.envelope import CONTENT_TYPE
from touchstone_contracts.errors import AlreadyExists, NotFound
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.events.membership import OrganisationRegistered
from touchstone_contracts.roles import ASSESSOR, PUBLIC, SECRETARIAT
from touchstone_contracts.topology import Index, ServiceTopology, dead_letter, event_queue
from touchstone_devkit.eventually import eventually
from touchstone_devkit.processes.ports import free_ports
from touchstone_testing.event_keys import event_keys
from touchstone_testing.one_service import provision_for

TOPOLOGIES = [
    ServiceTopology(
        service="toy",
        consumes=[BodyAccredited],
        queues=["toy.intake"],
        indexes=[Index(collection="things", keys=[("label", 1)], unique=True)],
    ),
    ServiceTopology(service="membership", consumes=[]),
    ServiceTopology(service="listener", consumes=[OrganisationRegistered]),
]


class Things:
    """Stores the toy's only aggregate: a named thing."""

    def __init__(self, unit: Any):
        self.unit = unit

    def get(self, id: str) -> dict | None:
        return self.unit.find_one("things", {"_id": id})

    def save(self, document: dict, events: Any = ()) -> None:
        self.unit.save("things", document, events)


class NameSchema(Schema):
    id = fields.String(required=True, validate=validate.Length(1, 40))
    label = fields.String(required=True)


class GetSchema(Schema):
    id = fields.String(required=True)


class Toy:
    """Names things; misbehaves when told to."""

    name = "toy"
    clock = DomainClock()
    things = Stored(Things)
    behaviour: dict[str, Callable[[], None]] = {}
    runs: list[str] = []

    def _misbehave(self, id: str) -> None:
        self.runs.append(id)
        self.behaviour.get(id, lambda: None)()

    @on_event(BodyAccredited)
    def name_body(self, event: Any, envelope: Any) -> None:
        thing = self.things.get(event.body_id) or {
            "_id": event.body_id,
            "version": 0,
            "label": event.body_id,
            "count": 0,
        }
        self._misbehave(event.body_id)
        thing["count"] += 1
        self.things.save(thing, [_registered(event.body_id)])

    @command(NameSchema(), roles=(SECRETARIAT,))
    def name_thing(self, request: dict, caller: Any) -> dict:
        if self.things.get(request["id"]):
            raise AlreadyExists(f"{request['id']} has a name")
        self._misbehave(request["id"])
        self.things.save({"_id": request["id"], "version": 0, "label": request["label"]}, [_registered(request["id"])])
        return {"id": request["id"], "by": caller.subject, "nonce": uuid.uuid4().hex}

    @query(GetSchema(), roles=PUBLIC)
    def get_thing(self, request: dict, caller: Any) -> dict:
        self.behaviour.get(request["id"], lambda: None)()
        thing = self.things.get(request["id"])
        if thing is None:
            raise NotFound(f"no thing {request['id']}")
        return thing

    @query(GetSchema(), roles=PUBLIC)
    def sneaky(self, request: dict, caller: Any) -> dict:
        self.things.save({"_id": request["id"], "version": 0, "label": "sneaked"})
        return {}

    @command(GetSchema(), roles=(SECRETARIAT,))
    def remind(self, request: dict, caller: Any) -> dict:
        self.things.unit.schedule("reminder", request["id"], self.clock.now(), {"why": "test"})
        return {}

    @on_job("reminder")
    def reminded(self, deadline: Any) -> None:
        self._misbehave(f"{deadline.key}#{deadline.attempt}")
        self.things.save({"_id": deadline.key, "version": 0, "label": deadline.payload["why"] + deadline.key})

    @on_message("toy.intake", NameSchema(), roles=(ASSESSOR,), refused="note_refusal")
    def take_in(self, request: dict, caller: Any, message_id: str) -> None:
        self._misbehave(request["id"])
        self.things.save({"_id": request["id"], "version": 0, "label": request["label"], "cab": caller.cab})

    def note_refusal(self, body: dict, caller: Any, refusal: Any, message_id: str) -> None:
        self.things.save({"_id": message_id, "version": 0, "label": message_id, "code": refusal.code})


def _registered(id: str) -> OrganisationRegistered:
    return OrganisationRegistered(member_id=id, legal_name=id, member_class="PT", country="DE")


class Issuer:
    """Signs tokens as a scheme's issuer would."""

    def __init__(self, folder: Any):
        self.key = OKPKey.generate_key("Ed25519", parameters={"kid": "test-key"})
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps(KeySet([self.key]).as_dict(private=False)))

    def token(self, role: str = SECRETARIAT, **claims: Any) -> str:
        now = int(time.time())
        payload = {"iss": "tests", "sub": f"{role}-1", "role": role, "aud": "touchstone", "iat": now, "exp": now + 60}
        payload |= {"jti": uuid.uuid4().hex} | claims
        return encode({"alg": "Ed25519", "kid": "test-key"}, payload, self.key, algorithms=["Ed25519"])


class Bus:
    """Puts raw messages on the broker and looks into its queues."""

    def __init__(self, uri: str):
        self.uri = uri
        self.connection = pika.BlockingConnection(pika.URLParameters(uri))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.replies = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.replies, "nameko-rpc", self.replies)

    def put(self, queue: str, body: bytes | dict, **properties: Any) -> None:
        """What has an event's content type is signed by its producer, unless it has headers of its own."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if properties.get("content_type") == CONTENT_TYPE:
            _consumer, producer, *_rest = [*queue.split("."), ""]  # `toy.assessment.body_accredited.v1`
            properties.setdefault("headers", event_keys().headers(producer, raw))
        self.channel.basic_publish("", queue, raw, pika.BasicProperties(**properties), mandatory=True)

    def publish_event(self, message: dict) -> None:
        self.put(
            event_queue("toy", message["type"]),
            message,
            content_type=CONTENT_TYPE,
            message_id=message["id"],
        )

    def take(self, queue: str) -> tuple[Any, bytes] | None:
        method, properties, body = self.channel.basic_get(queue, auto_ack=True)
        return (properties, body) if method else None

    def count(self, queue: str) -> int:
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def dead_letter(self) -> tuple[Any, bytes]:
        return eventually(lambda: self.take(dead_letter("toy")))

    def ask(self, method: str, body: bytes | dict, *, token: str | None = None, **properties: Any) -> dict:
        """Send a raw request; the decoded reply. Fails when none comes."""
        correlation_id = uuid.uuid4().hex
        headers = properties.pop("headers", {}) | ({"nameko.authorization": token} if token else {})
        properties = {"content_type": "application/json", "reply_to": self.replies} | properties
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.channel.basic_publish(
            "nameko-rpc",
            f"toy.{method}",
            raw,
            pika.BasicProperties(correlation_id=correlation_id, headers=headers, **properties),
            mandatory=True,
        )
        return eventually(lambda: self._reply(correlation_id))

    def _reply(self, correlation_id: str) -> dict | None:
        taken = self.take(self.replies)
        if taken is None or taken[0].correlation_id != correlation_id:
            return None
        return json.loads(taken[1])

    def call(self, method: str, token: str | None = None, headers: dict | None = None, **kwargs: Any) -> dict:
        return self.ask(method, {"args": [], "kwargs": kwargs}, token=token, headers=headers or {})


class Proxy:
    """Passes bytes between us and a server, until it is told to stall."""

    def __init__(self, uri: str):
        self._parts = urllib.parse.urlsplit(uri)
        self._flowing = eventlet.event.Event()
        self._flowing.send()
        self._listener = eventlet.listen(("127.0.0.1", 0))
        credentials = "".join(self._parts.netloc.rpartition("@")[:2])
        self.uri = self._parts._replace(netloc=f"{credentials}127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self._pool = eventlet.GreenPool()
        self._pool.spawn(self._accept)

    def stall(self) -> None:
        self._flowing = eventlet.event.Event()

    def resume(self) -> None:
        self._flowing.send()

    def close(self) -> None:
        self._listener.close()
        for thread in list(self._pool.coroutines_running):
            eventlet.kill(thread)

    def _accept(self) -> None:
        while True:
            ours, _ = self._listener.accept()
            theirs = eventlet.connect((self._parts.hostname, self._parts.port))
            self._pool.spawn(self._pass_on, ours, theirs)
            self._pool.spawn(self._pass_on, theirs, ours)

    def _pass_on(self, source: Any, sink: Any) -> None:
        try:
            while True:
                self._flowing.wait()
                data = source.recv(65536)
                self._flowing.wait()
                if not data:
                    break
                sink.sendall(data)
        except (OSError, EOFError):  # the latter is eventlet's: another green thread closed the socket
            pass
        sink.close()


@pytest.fixture(autouse=True)
def a_consumer_looks_up_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a toy that is told to stop hears of it soon: two hundred do."""
    monkeypatch.setattr(channels, "POLL_S", 0.02)


@pytest.fixture
def proxied() -> Iterator[Callable[[str], Proxy]]:
    """Gives a Proxy before the server with an address."""
    proxies: list[Proxy] = []

    def proxied(uri: str) -> Proxy:
        proxies.append(Proxy(uri))
        return proxies[-1]

    yield proxied
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def issuer(tmp_path: Any) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
def settings(backing: Any, amqp_uri: str, database_prefix: str, issuer: Issuer) -> dict[str, Any]:
    """The config of the toy; changed by a test before it asks for `toy`."""
    return {
        "service": "toy",
        "AMQP_URI": amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "database": f"{database_prefix}_toy",
        "jwks_path": str(issuer.jwks),
        "amqp_credentials_path": None,
        "mongo_credentials_path": None,
        **event_keys().settings("toy"),
        "unsigned_events": "refuse",
        "audience": "touchstone",
        "issuers": ["tests"],
        "sandbox": False,
        "run_deadlines": True,
        "max_workers": 8,
        "prefetch": 8,
        "heartbeat_s": 10,
        "drain_s": 25,
        "confirm_timeout_s": 5,
        "sweep_interval_s": 0.2,
        "outbox_lag_limit_s": 60,
        "in_step_limit_s": 60,
        "rpc_timeout_default_s": 10,
        "message_bytes_max": 100_000,
        "retry_delays_s": [1],
        "settings": {},
    }


@pytest.fixture
def inherited() -> tuple[type, ...]:
    """What the toy inherits: not the API for dead letters, so that tests can look into the queue."""
    return ()


@pytest.fixture
def missing() -> list[str]:
    """Queues that are not there when the toy starts."""
    return []


@pytest.fixture
def provisioned(settings: dict[str, Any]) -> Callable[[], None]:
    """Provisions broker and database, as often as it is called."""
    prefix = settings["database"].removesuffix("_toy")
    toy, *others = TOPOLOGIES
    return lambda: provision_for(toy, settings["AMQP_URI"], settings["MONGO_URI"], prefix, others)


@pytest.fixture
def toy(
    settings: dict[str, Any], inherited: tuple[type, ...], provisioned: Callable[[], None], missing: list[str]
) -> Iterator[ServiceContainer]:
    """The toy, started and consuming; stopped after the test."""
    provisioned()
    with pika.BlockingConnection(pika.URLParameters(settings["AMQP_URI"])) as connection:
        for queue in missing:
            connection.channel().queue_delete(queue)
    Toy.behaviour, Toy.runs = {}, []
    with nameko.config.patch(for_nameko(settings, "toy"), clear=True):
        container = ServiceContainer(type("Toy", (*inherited, Toy), {}))
        container.start()
        eventually(lambda: missing or _resources(container).consumer._check()[0])
        yield container
        if container.started:
            container.stop()


def _resources(container: ServiceContainer) -> Any:
    return next(e for e in container.subextensions if type(e).__name__ == "Resources")


@pytest.fixture
def behaviour(toy: ServiceContainer) -> dict[str, Callable[[], None]]:
    """What the toy does, by the id that it handles, before it saves."""
    return Toy.behaviour


@pytest.fixture
def runs(toy: ServiceContainer) -> list[str]:
    """The ids that the toy's handlers were run for, in order."""
    return Toy.runs


@pytest.fixture
def resources(toy: ServiceContainer) -> Any:
    return _resources(toy)


@pytest.fixture
def database(resources: Any) -> Any:
    return resources.mongo.database


@pytest.fixture
def bus(settings: dict[str, Any], toy: ServiceContainer) -> Iterator[Bus]:
    bus = Bus(settings["AMQP_URI"])
    yield bus
    bus.connection.close()


PROCESS_CONFIG = """
AMQP_URI: ${AMQP_URI}
MONGO_URI: ${MONGO_URI}
database: ${PREFIX}_process
jwks_path: ${JWKS}
event_keys_path: ${EVENT_KEYS}
signing_key_path: ${SIGNING_KEY}
audience: touchstone
issuers: tests
http_host: 127.0.0.1
http_port: ${PORT}
sandbox: ${SANDBOX:false}
drain_s: ${DRAIN_S:10}
retry_delays_s: [1]
max_workers: ${WORKERS:16}
settings:
  greeting: hello
  size: ${SIZE:5}
"""


class Process:
    """The toy as `python -m touchstone_chassis` runs it."""

    def __init__(self, folder: Path, environ: dict[str, str]):
        self.environ = environ
        self.out = folder / "stdout"
        self.err = folder / "stderr"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            command = [sys.executable, "-m", "touchstone_chassis", "process", "--config", str(folder / "config.yaml")]
            self.popen = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=err)

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.environ['PORT']}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def checks(self) -> dict[str, tuple[bool, str]]:
        content = json.loads(self.get("/ready")[1] or '{"checks": []}')
        return {check["name"]: (check["ok"], check["detail"]) for check in content["checks"]}

    def until_ready(self) -> "Process":
        eventually(lambda: self.get("/ready")[0] == 200 or self._check_alive(), within_s=30)
        return self

    def until_live(self) -> "Process":
        eventually(lambda: self.get("/live")[0] == 200 or self._check_alive(), within_s=30)
        return self

    def _check_alive(self) -> bool:
        assert self.popen.poll() is None, f"ended with {self.popen.returncode}: {self.err.read_text()}"
        return False

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def logged(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.log() if line["event"] == event), None)

    def signal(self, signum: int = signal.SIGTERM) -> None:
        self.popen.send_signal(signum)

    def exit_code(self, within_s: float = 15) -> int:
        return self.popen.wait(within_s)


@pytest.fixture
def processes() -> ServiceTopology:
    """What the service called `process` needs of the broker."""
    return ServiceTopology(service="process")


@pytest.fixture
def environ(
    backing: Any, amqp_uri: str, database_prefix: str, tmp_path: Path, source: str, processes: ServiceTopology
) -> dict[str, str]:
    """What the toy's process finds in its environment; changed by a test before it starts one."""
    provision(amqp_uri, backing.mongo_uri, database_prefix, [processes])
    with pika.BlockingConnection(pika.URLParameters(amqp_uri)) as connection:
        for queue in ("rpc-process", *(event_queue("process", event.type_name) for event in processes.consumes)):
            connection.channel().queue_purge(queue)  # where the broker is shared: what an earlier test left
    (tmp_path / "process_toy.py").write_text(source)
    (tmp_path / "config.yaml").write_text(PROCESS_CONFIG)
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    info = tmp_path / "process_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: process-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[touchstone.services]\nprocess = process_toy:Toy\n")
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "AMQP_URI": amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "PREFIX": database_prefix,
        "JWKS": str(tmp_path / "jwks.json"),
        "EVENT_KEYS": str(event_keys().public),
        "SIGNING_KEY": str(event_keys().private("process")),
        "PORT": str(free_ports(1)[0]),
    }


@pytest.fixture
def start(environ: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    started: list[Process] = []

    def start(**changes: str) -> Process:
        started.append(Process(tmp_path, {**environ, **changes}))
        return started[-1]

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()
