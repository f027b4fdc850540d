"""The assessment service in this process, on real servers, with its own config file; and somebody who listens."""

import collections
import datetime
import json
import pathlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import nameko
import pika
import pytest
from joserfc.jwk import KeySet, OKPKey
from joserfc.jwt import encode
from nameko.containers import ServiceContainer
from pymongo import MongoClient

from assessment.data.catalogue import load_catalogue
from assessment.entrypoints.audits import INTAKE
from assessment.service import AssessmentService
from touchstone_chassis.config import for_nameko, load
from touchstone_chassis.mongo.clock import move
from touchstone_contracts.envelope import CONTENT_TYPE, wrap
from touchstone_contracts.events import assessment as events
from touchstone_contracts.registry import name_of
from touchstone_contracts.roles import ASSESSOR, REGISTRAR, SECRETARIAT
from touchstone_contracts.topology import ServiceTopology, event_queue, events_exchange, heartbeats
from touchstone_devkit.eventually import eventually
from touchstone_testing import report_table
from touchstone_testing.event_keys import event_keys
from touchstone_testing.one_service import provision_for

CONFIG = pathlib.Path(__file__).parents[2] / "config.yaml"
HEARD = [
    events.BodyAccredited,
    events.AuditReportSubmitted,
    events.AuditReportReturned,
    events.AuditReportWaiting,
    events.AuditReportRefused,
    events.AuditAccepted,
    events.CorrectiveActionPlanReviewed,
    events.StandardPublished,
]
LISTENER = ServiceTopology(service="listener", consumes=HEARD)
SCOPE = {
    "standards": ["PS"],
    "countries": ["*"],
    "activities": ["SML", "CST", "SFB", "OMS"],
    "valid_from": "2018-01-01",
    "valid_until": "2030-12-31",
}


class Issuer:
    """Signs tokens as a scheme's issuer would."""

    def __init__(self, folder: pathlib.Path):
        self._key = OKPKey.generate_key("Ed25519", parameters={"kid": "test-key"})
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps(KeySet([self._key]).as_dict(private=False)))

    def token(self, role: str, **claims: Any) -> str:
        now = int(time.time())
        payload = {"iss": "tests", "sub": f"{role}-1", "role": role, "aud": "touchstone", "iat": now, "exp": now + 60}
        payload |= {"jti": uuid.uuid4().hex} | claims
        return encode({"alg": "Ed25519", "kid": "test-key"}, payload, self._key, algorithms=["Ed25519"])

    def assessor(self, body_id: str = "dnv") -> str:
        return self.token(ASSESSOR, sub=f"{body_id}-reports", cab=body_id)


class Line:
    """A caller's line to the broker: calls the service, sends it messages, and takes what the listener heard."""

    def __init__(self, uri: str):
        self._connection = pika.BlockingConnection(pika.URLParameters(uri))
        self._channel = self._connection.channel()
        for event in HEARD:  # a vhost that is not the test's own holds what earlier tests left
            self._channel.queue_purge(event_queue("listener", event.type_name))
        self._channel.confirm_delivery()
        self._replies = self._channel.queue_declare("", exclusive=True).method.queue
        self._channel.queue_bind(self._replies, "nameko-rpc", self._replies)

    def close(self) -> None:
        self._connection.close()

    def call(self, method: str, token: str, **kwargs: Any) -> dict[str, Any]:
        """The reply, result and error, of a call; a command gets a new idempotency key unless one is given."""
        correlation_id = uuid.uuid4().hex
        if not method.startswith(("get_", "list_")):
            kwargs = {"idempotency_key": uuid.uuid4().hex} | kwargs
        properties = pika.BasicProperties(
            correlation_id=correlation_id,
            reply_to=self._replies,
            content_type="application/json",
            headers={"nameko.authorization": token},
        )
        body = json.dumps({"args": [], "kwargs": kwargs}).encode()
        self._channel.basic_publish("nameko-rpc", f"assessment.{method}", body, properties, mandatory=True)
        return eventually(lambda: self._reply(correlation_id), within_s=30)

    def hand_in(self, body: Any, *, message_id: str, token: str | None) -> None:
        """Put a message on the intake queue."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": token} if token else {}
        properties = pika.BasicProperties(
            message_id=message_id, content_type="application/json", headers=headers, delivery_mode=2
        )
        self._channel.basic_publish("", INTAKE, raw, properties, mandatory=True)

    def heard(self, event: Any) -> dict[str, Any]:
        """The next event of this kind; waits for it."""
        return eventually(lambda: self.next_event(event))

    def next_event(self, event: Any) -> dict[str, Any] | None:
        method, _, body = self._channel.basic_get(event_queue("listener", event.type_name), auto_ack=True)
        return json.loads(body) if method else None

    def waiting(self, queue: str) -> int:
        return self._channel.queue_declare(queue, passive=True).method.message_count

    def _reply(self, correlation_id: str) -> dict[str, Any] | None:
        method, properties, body = self._channel.basic_get(self._replies, auto_ack=True)
        return json.loads(body) if method and properties.correlation_id == correlation_id else None


@pytest.fixture
def issuer(tmp_path: pathlib.Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
def service(backing: Any, amqp_uri: str, database_prefix: str, issuer: Issuer) -> Iterator[ServiceContainer]:
    """The service, provisioned and consuming."""
    provision_for(
        AssessmentService.topology,
        amqp_uri,
        backing.mongo_uri,
        database_prefix,
        [LISTENER, ServiceTopology(service="membership")],
    )
    environment = {
        "AMQP_URI": amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "TOUCHSTONE_DATABASE_PREFIX": database_prefix,
        "TOUCHSTONE_JWKS": str(issuer.jwks),
        **event_keys().environment("assessment"),
        "TOUCHSTONE_ISSUERS": "tests",
        "ASSESSMENT_HTTP_PORT": "0",
        "TOUCHSTONE_SANDBOX": "true",
    }
    with nameko.config.patch(for_nameko(load(str(CONFIG), environment), "assessment"), clear=True):
        container = ServiceContainer(AssessmentService)
        container.start()
        resources = next(e for e in container.subextensions if type(e).__name__ == "Resources")
        eventually(lambda: resources.consumer._check()[0])
        yield container
        container.stop()


@pytest.fixture
def move_clock(backing: Any, database_prefix: str) -> Callable[[float], None]:
    """Moves the clock of the service so many days on."""
    return lambda days: move(backing.mongo_uri, database_prefix, days * 86_400, sandbox=True)


@pytest.fixture
def line(amqp_uri: str, service: ServiceContainer) -> Iterator[Line]:
    line = Line(amqp_uri)
    yield line
    line.close()


class Membership:
    """What membership tells: records, and heartbeats that count them, until it is told to stop."""

    def __init__(self, uri: str):
        self._uri, self._counts, self._stopped = uri, collections.Counter[str](), threading.Event()
        self.beats = True
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._connection = pika.BlockingConnection(pika.URLParameters(uri))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._beating.start()

    def tell(self, *records: Any) -> None:
        for record in records:
            sequence = self._counts[name_of(record.type_name)] = self._counts[name_of(record.type_name)] + 1
            id, now = uuid.uuid4().hex, datetime.datetime.now(datetime.UTC)
            body = json.dumps(
                wrap(record, id=id, time=now, sequence=sequence, correlation_id="t"), default=str
            ).encode()
            self._publish(self._channel, events_exchange("membership"), record.routing_key, body, CONTENT_TYPE, id)

    def close(self) -> None:
        self._stopped.set()
        self._beating.join()
        self._connection.close()

    def _beat(self) -> None:
        with pika.BlockingConnection(pika.URLParameters(self._uri)) as connection:
            channel = connection.channel()
            while not self._stopped.wait(0.2):
                at = datetime.datetime.now(datetime.UTC).isoformat()
                body = json.dumps({"producer": "membership", "at": at, "counts": dict(self._counts)}).encode()
                if self.beats:
                    self._publish(channel, heartbeats("membership"), "", body, "application/json")

    def _publish(
        self, channel: Any, exchange: str, routing_key: str, body: bytes, content_type: str, id: str | None = None
    ) -> None:
        properties = pika.BasicProperties(
            content_type=content_type,
            message_id=id,
            delivery_mode=2 if id else 1,
            headers=event_keys().headers("membership", body),
        )
        channel.basic_publish(exchange, routing_key, body, properties)


@pytest.fixture
def membership(service: ServiceContainer, amqp_uri: str, backing: Any, database_prefix: str) -> Iterator[Membership]:
    """It has told of the report's member and sites, and of some others."""
    membership = Membership(amqp_uri)
    membership.tell(*report_table.RECORDS)
    with MongoClient(backing.mongo_uri, readConcernLevel="majority") as client:
        database = client[f"{database_prefix}_assessment"]
        kept = ("members", "entities", "facilities")
        eventually(lambda: sum(database[n].count_documents({}) for n in kept) == len(report_table.RECORDS))
    yield membership
    membership.close()


@pytest.fixture
def accredited(line: Line, issuer: Issuer, membership: Membership) -> Line:
    """The line, with a body and two auditors that may audit smelters anywhere, and what membership told."""
    token = issuer.token(SECRETARIAT)
    assert line.call("accredit_body", token, body_id="dnv", name="DNV", **SCOPE)["error"] is None
    for id in ("auditor-1", "auditor-2"):
        reply = line.call("register_auditor", token, auditor_id=id, name=id, body_ids=["dnv"], **SCOPE)
        assert reply["error"] is None
    return line


@pytest.fixture
def secretariat(issuer: Issuer) -> str:
    return issuer.token(SECRETARIAT)


@pytest.fixture
def registrar(issuer: Issuer) -> str:
    return issuer.token(REGISTRAR)


@pytest.fixture
def report() -> dict[str, Any]:
    """A report with one minor whose plan is not approved yet, and not due either."""
    last_day = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=10)
    standard = load_catalogue().find("PS", "3.0")
    assert standard is not None
    findings: list[dict[str, Any]] = [
        {"criterion": c.code, "rating": "conformance"} for c in standard.applicable(["SML", "CST"])
    ]
    minor = next(f for f in findings if f["criterion"] == "2.4")
    minor.update({"rating": "minor_nonconformity", "comment": "Two gaps.", "plan": {"state": "submitted"}})
    return {
        "report_id": "R-1",
        "body_id": "dnv",
        "audit_type": "initial",
        "standard": {"code": "PS", "version": "3.0"},
        "member_id": "qatalum",
        "entity": {"id": "qatalum-mesaieed", "name": "Qatalum, Mesaieed", "country": "QA"},
        "scope": {
            "type": "facility",
            "text": "Smelter and casthouse",
            "activities": ["SML", "CST"],
            "facilities": [{"id": "qatalum-1", "name": "Mesaieed", "country": "QA"}],
        },
        "team": [{"auditor_id": "auditor-1", "role": "lead"}, {"auditor_id": "auditor-2", "role": "auditor"}],
        "audited_from": (last_day - datetime.timedelta(days=4)).isoformat(),
        "audited_until": last_day.isoformat(),
        "maturity": {"systems": "high", "risk": "medium", "performance": "high"},
        "statements": {
            "information_true": True,
            "findings_evidence_based": True,
            "scope_and_method_sufficient": True,
            "confidential_and_impartial": True,
        },
        "recommendation": "certify",
        "findings": findings,
    }
