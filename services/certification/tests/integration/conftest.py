"""Certification in this process, on a real broker and database, with the messages of its neighbours."""

import datetime
import json
import pathlib
import time
import uuid
from collections.abc import Iterator
from typing import Any

import nameko
import pika
import pytest
from joserfc.jwk import KeySet, OKPKey
from joserfc.jwt import encode
from nameko.containers import ServiceContainer
from pymongo import MongoClient

import certification
from certification.service import CertificationService
from certification.storage.mandates import MandateCache
from touchstone_chassis.config import for_nameko, load
from touchstone_chassis.mongo.clock import move
from touchstone_contracts.envelope import CONTENT_TYPE, unwrap, wrap
from touchstone_contracts.events.certification import (
    CertificateExpired,
    CertificateIssued,
    CertificationHeld,
    CertificationRefused,
)
from touchstone_contracts.topology import ServiceTopology, dead_letter, event_queue, events_exchange
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import event_keys
from touchstone_testing.one_service import provision_for

PACKAGE = pathlib.Path(certification.__file__).parents[1]
TOLD = (CertificateIssued, CertificationRefused, CertificationHeld, CertificateExpired)
NEIGHBOURS = [
    ServiceTopology(service="membership"),
    ServiceTopology(service="assessment"),
    ServiceTopology(service="notification", consumes=TOLD),
]


class Neighbours:
    """The services around certification, as far as it can tell: their events, its own events, and callers."""

    def __init__(self, config: dict[str, Any], prefix: str, key: OKPKey):
        self.config, self.prefix, self.key = config, prefix, key
        self.environment: dict[str, str] = {}
        self.connection = pika.BlockingConnection(pika.URLParameters(config["AMQP_URI"]))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.replies = self.channel.queue_declare("", exclusive=True).method.queue
        self.channel.queue_bind(self.replies, "nameko-rpc", self.replies)
        for queue in self._queues():  # a vhost that cannot be a test's own holds what earlier tests left
            self.channel.queue_purge(queue)
        self.told: list[Any] = []
        # As the services read: what is seen here, they see too.
        client = MongoClient(config["MONGO_URI"], tz_aware=True, readConcernLevel="majority")
        self.database = client[config["database"]]

    def _queues(self) -> list[str]:
        inward = [event_queue("certification", event.type_name) for event in CertificationService.topology.consumes]  # type: ignore[attr-defined]
        outward = [event_queue("notification", event.type_name) for event in TOLD]  # type: ignore[attr-defined]
        return [*inward, *outward, dead_letter("certification")]

    def publish(self, event: Any, *, sequence: int = 1, id: str | None = None, time: Any = None) -> None:
        id = id or uuid.uuid4().hex
        message = wrap(event, id=id, time=time or _now(), sequence=sequence, correlation_id="test")
        body = json.dumps(message, default=str).encode()
        properties = pika.BasicProperties(
            content_type=CONTENT_TYPE,
            message_id=id,
            delivery_mode=2,
            headers=event_keys().headers(event.producer, body),
        )
        self.channel.basic_publish(events_exchange(event.producer), event.routing_key, body, properties, mandatory=True)

    def events(self, kind: type | None = None) -> list[Any]:
        """Everything that certification has announced so far, as notification would get it."""
        for told in TOLD:
            queue = event_queue("notification", told.type_name)  # type: ignore[attr-defined]
            while (taken := self.channel.basic_get(queue, auto_ack=True))[0] is not None:
                self.told.append(unwrap(json.loads(taken[2]))[1])
        return [event for event in self.told if kind in (None, type(event))]

    def given_up(self) -> int:
        waiting = self.channel.queue_declare(dead_letter("certification"), passive=True).method.message_count
        return waiting + self.database["dead_letters"].count_documents({})

    def token(self, role: str, **claims: Any) -> str:
        now = int(time.time())
        payload = {"iss": "tests", "sub": f"{role}-1", "role": role, "aud": "touchstone", "iat": now, "exp": now + 60}
        header = {"alg": "Ed25519", "kid": "test-key"}
        return encode(header, payload | {"jti": uuid.uuid4().hex} | claims, self.key, algorithms=["Ed25519"])

    def ask(self, method: str, token: str | None = None, **kwargs: Any) -> dict[str, Any]:
        """The whole reply to a call: `result` and `error`."""
        id = uuid.uuid4().hex
        properties = pika.BasicProperties(
            content_type="application/json",
            reply_to=self.replies,
            correlation_id=id,
            headers={"nameko.authorization": token} if token else {},
        )
        body = json.dumps({"args": [], "kwargs": kwargs}).encode()
        self.channel.basic_publish("nameko-rpc", f"certification.{method}", body, properties, mandatory=True)
        return eventually(lambda: self._reply(id))

    def call(self, method: str, role: str | None = "secretariat", **kwargs: Any) -> Any:
        """The result of a call. Commands get a key of their own."""
        claims = {"cab": kwargs.pop("cab", None), "member": kwargs.pop("member", None)}
        token = self.token(role, **{name: value for name, value in claims.items() if value}) if role else None
        commands = ("sign_mandate", "decide_case", "publish_rule_set")
        key = {"idempotency_key": uuid.uuid4().hex} if method in commands else {}
        reply = self.ask(method, token, **(key | kwargs))
        assert reply["error"] is None, reply["error"]
        return reply["result"]

    def sign_mandate(self, **changed: Any) -> Any:
        """For every rule set that is shipped, unless one is named; the answer is that of the first."""
        fields = {
            "mandate_id": "mandate-1",
            "rule_set": 1,
            "standards": [{"code": "PS", "version": "3.0"}],
            "valid_from": "2018-01-01",
            "valid_until": "2099-12-31",
        }
        signed = self.call("sign_mandate", **(fields | changed))
        if "rule_set" not in changed:
            newer = {"mandate_id": f"{signed['mandate_id']}-newer", "rule_set": 2}
            self.call("sign_mandate", **(fields | changed | newer))
        return signed

    def state(self, case_id: str) -> str | None:
        document = self.database["cases"].find_one({"_id": case_id}, {"state": 1})
        return document["state"] if document else None

    def move_clock(self, days: float) -> None:
        move(self.config["MONGO_URI"], self.prefix, days * 86_400, sandbox=True)

    def _reply(self, id: str) -> dict[str, Any] | None:
        method, properties, body = self.channel.basic_get(self.replies, auto_ack=True)
        return json.loads(body) if method and properties.correlation_id == id else None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture
def neighbours(backing: Any, amqp_uri: str, database_prefix: str, tmp_path: pathlib.Path) -> Iterator[Neighbours]:
    """Certification runs, from its own config.yaml, in a sandbox; stopped after the test."""
    key = OKPKey.generate_key("Ed25519", parameters={"kid": "test-key"})
    (tmp_path / "jwks.json").write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    environment = {
        "AMQP_URI": amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "TOUCHSTONE_DATABASE_PREFIX": database_prefix,
        "TOUCHSTONE_JWKS": str(tmp_path / "jwks.json"),
        **event_keys().environment("certification"),
        "TOUCHSTONE_ISSUERS": "tests",
        "TOUCHSTONE_SANDBOX": "true",
        "CERTIFICATION_HTTP_PORT": "0",
    }
    config = load(str(PACKAGE / "config.yaml"), environment)
    provision_for(CertificationService.topology, amqp_uri, backing.mongo_uri, database_prefix, NEIGHBOURS)
    around = Neighbours(config, database_prefix, key)
    around.environment = environment
    CertificationService.mandate_cache = MandateCache()  # a process knows one database
    with nameko.config.patch(for_nameko(config, "certification"), clear=True):
        container = ServiceContainer(CertificationService)
        container.start()
        resources = next(e for e in container.subextensions if type(e).__name__ == "Resources")
        eventually(lambda: resources.consumer._check()[0])
        yield around
        around.connection.close()
        around.database.client.close()
        container.stop()
