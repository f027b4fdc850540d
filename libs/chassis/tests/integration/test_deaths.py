"""Processes that die, are stopped, or work beside each other: events take effect once, only the guilty are parked."""

import datetime
import json
import os
import signal
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika
import pytest
from pymongo import MongoClient

from touchstone_contracts import topology
from touchstone_contracts.envelope import CONTENT_TYPE, wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import ServiceTopology, event_queue
from touchstone_devkit.eventually import eventually
from touchstone_devkit.processes.ports import free_ports
from touchstone_testing.event_keys import event_keys

SERVICE = """
import os
from pathlib import Path

import eventlet
from touchstone_chassis.consuming import poison
from touchstone_chassis.deadletters.api import DeadLetterApi
from marshmallow import Schema, fields
from touchstone_chassis.api import command, on_job, on_event
from touchstone_chassis.api import DomainClock, Health, Stored
from touchstone_contracts.events.assessment import BodyAccredited

poison.STARTS_MAX = int(os.environ["STARTS_MAX"])

class NameIt(Schema):
    id = fields.String(required=True)

class Things:
    def __init__(self, unit):
        self.unit = unit

class Toy(DeadLetterApi):
    name = "process"
    health, clock, things = Health(), DomainClock(), Stored(Things)

    @on_event(BodyAccredited)
    def take(self, event, envelope):
        self.note("begun", event.body_id)
        if event.body_id.startswith("killer"):
            os.kill(os.getpid(), 9)
        if event.name:
            eventlet.sleep(float(event.name))
        self.add("things", event.body_id)
        self.things.unit.schedule("later", event.body_id, self.clock.now())
        self.note("ended", event.body_id)

    @command(NameIt(), roles=("secretariat",))
    def name_it(self, request, caller):
        self.note("begun", request["id"])
        eventlet.sleep(1)
        self.add("things", request["id"])
        return {"by": os.getpid()}

    @on_job("later")
    def later(self, deadline):
        self.add("reminders", deadline.key)

    def add(self, collection, id):
        thing = self.things.unit.find_one(collection, {"_id": id}) or {"_id": id, "version": 0, "count": 0}
        self.things.unit.save(collection, thing | {"count": thing["count"] + 1})

    def note(self, what, id):
        with Path(os.environ["RUNS"]).open("a") as file:
            file.write(f"{what} {id}\\n")
"""
QUEUE = event_queue("process", BodyAccredited.type_name)
DAY = datetime.date(2026, 1, 1)
FULL = bool(os.environ.get("TOUCHSTONE_FULL_DEATHS"))
"""The real limits and sixty deaths, which takes minutes; else smaller limits and as many deaths as they need."""


@pytest.fixture
def source() -> str:
    return SERVICE


@pytest.fixture
def processes() -> ServiceTopology:
    return ServiceTopology(service="process", consumes=[BodyAccredited])


@pytest.fixture
def low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker gives up early. The processes miss their own limit, and are not ready."""
    if not FULL:
        monkeypatch.setattr(topology, "DELIVERY_LIMIT", 3)


@pytest.fixture(autouse=True)
def limits(request: Any, tmp_path: Path) -> None:
    if "low_limit" in request.fixturenames:
        request.getfixturevalue("low_limit")  # before the queues are made
    environ = request.getfixturevalue("environ")
    jwks = request.getfixturevalue("issuer").jwks  # written after what an environ has by itself
    environ.update(STARTS_MAX="20" if FULL else "2", RUNS=str(tmp_path / "runs"), JWKS=str(jwks))


@pytest.fixture
def publish(environ: dict[str, str]) -> Callable[..., list[str]]:
    """Puts an event for each body into the queue, and answers their ids; handling one takes `seconds`."""

    def publish(*bodies: str, seconds: float = 0) -> list[str]:
        messages = [an_accreditation(body, seconds) for body in bodies]
        with pika.BlockingConnection(pika.URLParameters(environ["AMQP_URI"])) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for message in messages:
                body = json.dumps(message).encode()
                properties = pika.BasicProperties(
                    content_type=CONTENT_TYPE,
                    message_id=message["id"],
                    delivery_mode=2,
                    headers=event_keys().headers("assessment", body),
                )
                channel.basic_publish("", QUEUE, body, properties, mandatory=True)
        return [message["id"] for message in messages]

    return publish


@pytest.fixture
def database(environ: dict[str, str]) -> Any:
    with MongoClient(environ["MONGO_URI"]) as client:
        yield client[f"{environ['PREFIX']}_process"]


def an_accreditation(body_id: str, seconds: float) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id,
        name=str(seconds or ""),
        standards=[],
        countries=[],
        activities=[],
        valid_from=DAY,
        valid_until=DAY,
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="c")


def runs(folder: Path) -> dict[str, Counter[str]]:
    """How often each body was begun and ended, by what was noted."""
    lines = [line.split() for line in (folder / "runs").read_text().splitlines()]
    return {what: Counter(body for did, body in lines if did == what) for what in ("begun", "ended")}


def _outlives(process: Any, done: Callable[[], bool]) -> bool:
    """Whether the process is alive when all is done; what ends it before is a SIGKILL."""
    eventually(lambda: process.popen.poll() is not None or done(), within_s=60)
    assert process.popen.poll() in (None, -signal.SIGKILL), process.err.read_text()
    return process.popen.poll() is None


@pytest.mark.timeout(1200 if FULL else 300)
def test_messages_near_a_process_that_dies_again_and_again_are_not_parked(
    low_limit, start, publish, database, tmp_path
):
    killers = [f"killer-{n}" for n in range(3 if FULL else 2)]
    innocent = [f"b-{n}" for n in range(30)]
    guilty = publish(*killers, *innocent)[: len(killers)]

    deaths = 0
    while not _outlives(start(WORKERS="1"), lambda: database["things"].count_documents({}) == len(innocent)):
        deaths += 1
    eventually(lambda: database["dead_letters"].count_documents({"actions.why": "process_died"}) >= len(killers))

    parked = list(database["dead_letters"].find())
    begun = runs(tmp_path)["begun"]
    print(f"{deaths} deaths, starts of each killer: {[begun[k] for k in killers]}")
    whys = {p["event_id"]: [action["why"] for action in p["actions"]] for p in parked}
    print(f"parked, and each time why: {whys}")
    assert deaths >= (60 if FULL else 5)
    assert sorted(whys) == sorted(guilty)
    # The broker's word may follow: what went back to its queue may end the process before the broker hears that it did.
    assert all("process_died" in why and set(why) <= {"process_died", "delivery_limit"} for why in whys.values())
    assert all(begun[k] <= (50 if FULL else 6) for k in killers)
    assert database["things"].count_documents({"count": 1}) == len(innocent)


def test_two_replicas_beside_each_other_survive_both_kinds_of_end(start, publish, database):
    ports = [str(port) for port in free_ports(2)]
    first, second = (start(PORT=port).until_ready() for port in ports)
    bodies = [f"b-{n}" for n in range(200)]
    publish(*bodies, seconds=0.05)
    eventually(lambda: database["things"].count_documents({}) > 20)

    first.signal(signal.SIGKILL)
    third = start(PORT=ports[0])
    eventually(lambda: database["things"].count_documents({}) > 80, within_s=30)
    second.signal(signal.SIGTERM)

    assert second.exit_code(30) == 0
    assert third.popen.poll() is None
    for collection in ("things", "reminders"):
        eventually(lambda c=collection: database[c].count_documents({}) == len(bodies), within_s=60)
        assert database[collection].count_documents({"count": 1}) == len(bodies)
    assert database["dead_letters"].count_documents({}) == 0
    assert database["deadlines"].count_documents({}) == 0


def test_a_command_that_two_replicas_get_at_once_is_carried_out_once_though_one_dies(
    start, environ, issuer, database, tmp_path
):
    first, second = (start(PORT=str(port)).until_ready() for port in free_ports(2))
    token, body = issuer.token(), json.dumps({"args": [], "kwargs": {"id": "t-1", "idempotency_key": "k"}})
    with pika.BlockingConnection(pika.URLParameters(environ["AMQP_URI"])) as connection:
        channel = connection.channel()
        replies = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(replies, "nameko-rpc", replies)
        properties = pika.BasicProperties(
            content_type="application/json", reply_to=replies, headers={"nameko.authorization": token}
        )
        answers: list[dict[str, Any]] = []

        def ask(times: int) -> None:
            for _ in range(times):
                channel.basic_publish("nameko-rpc", "process.name_it", body, properties)

        def answered(times: int) -> bool:
            while (taken := channel.basic_get(replies, auto_ack=True))[0]:
                answers.append(json.loads(taken[2]))
            return len(answers) >= times

        ask(6)
        eventually(lambda: (tmp_path / "runs").exists() and runs(tmp_path)["begun"]["t-1"] == 2)
        first.signal(signal.SIGKILL)
        # What the first had answered and not acknowledged is answered again: there may be more than six.
        eventually(lambda: answered(6) and any(not answer["error"] for answer in answers), within_s=30)
        ask(1)
        eventually(lambda: answered(7))

    results = [answer["result"] for answer in answers if not answer["error"]]
    assert {answer["error"]["code"] for answer in answers if answer["error"]} <= {"in_progress"}
    assert results and all(result == results[0] for result in results)
    assert database["things"].find_one({"_id": "t-1"})["count"] == 1
    assert second.popen.poll() is None


def test_a_drain_under_load_ends_what_was_begun_and_begins_nothing_twice(start, publish, database, tmp_path):
    bodies = [f"b-{n}" for n in range(60)]
    publish(*bodies, seconds=1)
    process = start().until_ready()
    eventually(lambda: (tmp_path / "runs").exists() and len(runs(tmp_path)["begun"]) >= 20, within_s=30)

    process.signal(signal.SIGTERM)

    assert process.exit_code(30) == 0
    at_the_end = runs(tmp_path)
    assert at_the_end["begun"] == at_the_end["ended"] and len(at_the_end["begun"]) < len(bodies)
    start().until_ready()
    eventually(lambda: database["things"].count_documents({}) == len(bodies), within_s=60)
    assert set(runs(tmp_path)["begun"].values()) == {1}
    assert database["things"].count_documents({"count": 1}) == len(bodies)
