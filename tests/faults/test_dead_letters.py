"""A dead letter survives a kill at any moment: while it is kept, and while it is sent back; its effect comes once."""

import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pika
import pytest
from pymongo import MongoClient

from touchstone.auth import keys, tokens
from touchstone.provisioning.provision import provision
from touchstone.rpc.client import Client
from touchstone_contracts.envelope import CONTENT_TYPE
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.topology import dead_letter, event_queue
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import event_keys

ROOT = Path(__file__).parents[2]
QUEUE = event_queue("certification", AuditAccepted.type_name)  # type: ignore[attr-defined]
KILLED = -9


class Process:
    """One life after the other of certification, killed once where the plan says."""

    def __init__(self, environ: dict[str, str], log: Path):
        self._environ, self._log = environ, log
        self.start()

    def start(self) -> None:
        config = ROOT / "services/certification/config.yaml"
        command = [sys.executable, "-m", "touchstone_chassis", "certification", "--config", str(config)]
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(command, env=self._environ, stdout=log, stderr=log)

    def killed(self) -> bool:
        return self._popen.poll() == KILLED

    def stop(self) -> None:
        self._popen.terminate()
        self._popen.wait(30)


@pytest.fixture
def environ(backing: Any, amqp_uri: str, database_prefix: str, tmp_path: Path) -> dict[str, str]:
    provision(amqp_uri, backing.mongo_uri, database_prefix)
    keys.init("tests", tmp_path / "private.json", tmp_path / "jwks.json")
    (tmp_path / "markers").mkdir()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with pika.BlockingConnection(pika.URLParameters(amqp_uri)) as connection:  # what an earlier test left
        for queue in (QUEUE, dead_letter("certification"), "rpc-certification"):
            connection.channel().queue_purge(queue)
    return os.environ | {
        "AMQP_URI": amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "TOUCHSTONE_DATABASE_PREFIX": database_prefix,
        "TOUCHSTONE_JWKS": str(tmp_path / "jwks.json"),
        "TOUCHSTONE_ISSUERS": "tests",
        "TOUCHSTONE_SANDBOX": "true",
        "TOUCHSTONE_CRASH_MARKERS": str(tmp_path / "markers"),
        "CERTIFICATION_HTTP_PORT": str(port),
        **event_keys().environment("certification"),
    }


@pytest.fixture
def database(environ: dict[str, str]) -> Iterator[Any]:
    with MongoClient(environ["MONGO_URI"]) as client:
        yield client[f"{environ['TOUCHSTONE_DATABASE_PREFIX']}_certification"]


@pytest.fixture
def start(environ: dict[str, str], tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    started: list[Process] = []

    def start(plan: str) -> Process:
        started.append(Process(environ | {"TOUCHSTONE_CRASH_POINTS": plan}, tmp_path / "log"))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def operator(environ: dict[str, str], tmp_path: Path) -> Iterator[Client]:
    key = keys.load(tmp_path / "private.json")
    with Client(environ["AMQP_URI"], tokens.Signer(key, "op-1", "operator"), timeout_s=60) as client:
        yield client


def give_up_an_audit(amqp_uri: str) -> dict[str, Any]:
    """Put an accepted audit where a service puts what it gives up; the event."""
    event: dict[str, Any] = json.loads(
        resources.files("touchstone_contracts").joinpath("examples/assessment.audit_accepted.v1.json").read_text()
    ) | {"id": uuid.uuid4().hex}
    body = json.dumps(event).encode()
    headers = {
        "touchstone-reason": "retries_exhausted",
        "touchstone-consumer": QUEUE,
        "touchstone-tag": uuid.uuid4().hex,
        **event_keys().headers("assessment", body),
    }
    properties = pika.BasicProperties(
        content_type=CONTENT_TYPE, message_id=event["id"], delivery_mode=2, headers=headers
    )
    with pika.BlockingConnection(pika.URLParameters(amqp_uri)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", dead_letter("certification"), body, properties, mandatory=True)
    return event


@pytest.mark.parametrize("point", [pytest.param("before_commit", marks=pytest.mark.long), "after_commit"])
def test_a_kill_while_a_dead_letter_is_kept_neither_loses_nor_doubles_it(point, start, environ, database, operator):
    process = start(f"{point}:kill:1")
    event = give_up_an_audit(environ["AMQP_URI"])
    eventually(process.killed, within_s=30)

    process.start()

    (kept,) = eventually(lambda: operator.certification.list_dead_letters()["items"], within_s=30)
    assert (kept["event_id"], kept["times"]) == (event["id"], 1)
    with pika.BlockingConnection(pika.URLParameters(environ["AMQP_URI"])) as connection:
        channel = connection.channel()
        queue = dead_letter("certification")
        eventually(lambda: channel.queue_declare(queue, passive=True).method.message_count == 0)


@pytest.mark.parametrize(
    "plan",
    [
        "after_commit:kill:2",  # the first is the keeping
        "relay_confirm:kill:1",
        *(
            pytest.param(plan, marks=pytest.mark.long)
            for plan in (
                "rpc_commit:kill:1",
                "before_commit:kill:2",
                "rpc_ack:kill:2",  # the first is the listing
                "relay_publish:kill:1",
                "relay_mark:kill:1",
            )
        ),
    ],
)
def test_a_kill_while_a_dead_letter_is_sent_back_neither_loses_nor_doubles_it(plan, start, environ, database, operator):
    process = start(plan)
    event = give_up_an_audit(environ["AMQP_URI"])
    (document,) = eventually(lambda: list(database["dead_letters"].find()), within_s=30)
    id = document["_id"]
    operator.certification.list_dead_letters()
    answers: list[Any] = []
    call = threading.Thread(
        target=lambda: answers.append(operator.certification.replay_dead_letters(ids=[id], why="mended"))
    )

    call.start()
    eventually(process.killed, within_s=30)
    process.start()
    call.join(60)

    eventually(lambda: database["inbox"].find_one({"_id": f"certification.open_case/{event['id']}"}), within_s=30)
    eventually(lambda: database["outbox"].count_documents({"pending": True}) == 0, within_s=30)
    shown = operator.certification.get_dead_letter(id=id)
    (case,) = database["cases"].find()
    assert answers[0]["replayed"] == [id]
    assert (shown["state"], shown["replays"], shown["times"]) == ("replayed", 1, 1)
    assert [a["action"] for a in shown["actions"]] == ["parked", "replayed"]
    assert case["_id"] == event["data"]["audit_id"]
