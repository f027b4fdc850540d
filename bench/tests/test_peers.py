"""The peers do the whole work, on real servers: exact counts, also when messages come again or a stage is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
import work
from pymongo import MongoClient

from touchstone.auth import keys, tokens
from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.demo.worlds import a_world

pytestmark = pytest.mark.long

PEERS = Path(work.__file__).parent
CONTACTS = 3
DEADLINE_S = 60
CHECKED = ["plain_nameko", "raw_pika"]
ALL = [*CHECKED, "ceiling"]
"""Those whose libraries are in the repository's own environment; in which versions, their locks say."""


class Pipeline:
    """The three processes of a peer, and what they have written."""

    def __init__(self, peer: str, environment: dict[str, str], report: dict[str, Any]) -> None:
        self.folder, self.environment, self.report = PEERS / peer, environment, report
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._client: MongoClient[dict[str, Any]] = MongoClient(environment["MONGO_URI"])

    def start(self, service: str) -> None:
        command = [sys.executable, "-W", "ignore", str(self.folder / "serve.py"), service]
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        self._processes[service] = process
        assert process.stdout is not None and process.stdout.readline() == "ready\n"

    def end(self, service: str, number: int) -> int:
        process = self._processes.pop(service)
        process.send_signal(number)
        return process.wait(DEADLINE_S)

    def end_all(self) -> dict[str, int]:
        return {service: self.end(service, signal.SIGTERM) for service in list(self._processes)}

    def kill_all(self) -> None:
        for service in list(self._processes):
            self.end(service, signal.SIGKILL)
        self._client.close()

    def submit(self, first: int, count: int, submitters: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", str(PEERS / "submit.py"), str(self.folder / "client.py")]
        command += ["--first", str(first), "--count", str(count), "--submitters", str(submitters)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )

    def written(self) -> dict[str, list[dict[str, Any]]]:
        return {
            collection: list(self._client[f"{self.environment['BENCH_PREFIX']}_{service}"][collection].find())
            for service, collection in WRITTEN
        }

    def counts(self) -> tuple[int, ...]:
        return tuple(len(documents) for documents in self.written().values())

    def wait_for(self, audits: int) -> None:
        """Until so many audits have come to their end, exactly."""
        wanted = (audits, audits, audits * CONTACTS)
        eventually(lambda: self.counts() == wanted, lambda: f"{self.counts()} and not {wanted}")


WRITTEN = (("assessment", "audits"), ("certification", "certificates"), ("notification", "notices"))


@pytest.fixture
def pipeline(
    request: pytest.FixtureRequest, backing: Backing, amqp_uri: str, database_prefix: str, tmp_path: Path
) -> Iterator[Pipeline]:
    report = a_world("a minor, plan approved", "bench").conforming()
    made = keys.init(keys.DEFAULT_ISSUER, tmp_path / "key" / "private.json", tmp_path / "jwks.json")
    token = tokens.sign(keys.load(made.private_path), "bench", "assessor", cab=report["body_id"])
    (tmp_path / "token").write_text(token)
    (tmp_path / "report.json").write_text(json.dumps(report))
    environment = os.environ | {
        "AMQP_URI": amqp_uri,
        "MONGO_URI": backing.mongo_uri,
        "BENCH_PREFIX": database_prefix,
        "BENCH_JWKS": str(tmp_path / "jwks.json"),
        "BENCH_AUDIENCE": tokens.AUDIENCE,
        "BENCH_ISSUERS": keys.DEFAULT_ISSUER,
        "PYTHONPATH": str(PEERS),
        "BENCH_REPORT": str(tmp_path / "report.json"),
        "BENCH_TOKENS": str(tmp_path / "token"),
    }
    work.seed(backing.mongo_uri, database_prefix, report, CONTACTS)
    started = Pipeline(request.param, environment, report)
    try:
        for service, _ in WRITTEN:
            started.start(service)
        yield started
    finally:
        started.kill_all()


@pytest.mark.parametrize("pipeline", ALL, indirect=True)
def test_every_audit_has_one_certificate_and_a_notice_for_each_contact(pipeline: Pipeline) -> None:
    submitted = pipeline.submit(first=100, count=40, submitters=8)
    pipeline.wait_for(40)
    ended = pipeline.end_all()

    *lines, last = [json.loads(line) for line in submitted.stdout.splitlines()]
    written = pipeline.written()
    ids = {line["audit_id"] for line in lines}
    assert len(ids) == 40 and last["cpu_s"] > 0
    assert {document["audit_id"] for document in written["audits"]} == ids
    assert {document["audit_id"] for document in written["certificates"]} == ids
    assert len({document["number"] for document in written["certificates"]}) == 40
    told = {(document["audit_id"], document["contact_id"]) for document in written["notices"]}
    assert told == {(id, f"c-{contact}") for id in ids for contact in range(CONTACTS)}
    assert written["audits"][0]["report"]["findings"] == pipeline.report["findings"]
    assert set(ended.values()) == {0}


@pytest.mark.parametrize("pipeline", ALL, indirect=True)
def test_an_event_that_comes_again_changes_nothing(pipeline: Pipeline) -> None:
    pipeline.submit(first=0, count=5, submitters=1)
    pipeline.wait_for(5)
    before = pipeline.written()
    accepted = [document.get("accepted") or document["event"] for document in before["audits"]]
    issued = [document.get("issued") or document["event"] for document in before["certificates"]]

    publish(pipeline.environment["AMQP_URI"], [("accepted", event) for event in accepted])
    publish(pipeline.environment["AMQP_URI"], [("issued", event) for event in issued])
    pipeline.submit(first=5, count=1, submitters=1)  # is behind them in both queues
    pipeline.wait_for(6)
    pipeline.end_all()

    after = pipeline.written()
    assert pipeline.counts() == (6, 6, 6 * CONTACTS)
    assert all(document in after[collection] for collection, documents in before.items() for document in documents)


@pytest.mark.parametrize("pipeline", ALL, indirect=True)
def test_an_audit_that_is_submitted_again_stays_one(pipeline: Pipeline) -> None:
    first = pipeline.submit(first=0, count=3, submitters=1)
    pipeline.wait_for(3)

    again = pipeline.submit(first=0, count=3, submitters=1)
    pipeline.submit(first=3, count=1, submitters=1)
    pipeline.wait_for(4)
    pipeline.end_all()

    assert (first.returncode, again.returncode) == (0, 0)
    assert pipeline.counts() == (4, 4, 4 * CONTACTS)


@pytest.mark.parametrize("pipeline", ALL, indirect=True)
@pytest.mark.parametrize("stage", ["certification", "notification"])
def test_a_stage_that_is_killed_goes_on_where_it_was(pipeline: Pipeline, stage: str) -> None:
    pipeline.end(stage, signal.SIGKILL)
    pipeline.submit(first=0, count=100, submitters=8)
    pipeline.start(stage)
    eventually(lambda: min(pipeline.counts()) > 0, lambda: f"{pipeline.counts()}")

    pipeline.end(stage, signal.SIGKILL)
    pipeline.start(stage)

    pipeline.wait_for(100)


@pytest.mark.parametrize("pipeline", CHECKED, indirect=True)
def test_a_report_with_faults_is_refused_with_all_of_them(pipeline: Pipeline) -> None:
    bad = pipeline.report | {"audited_from": "yesterday", "findings": pipeline.report["findings"][1:]}
    Path(pipeline.environment["BENCH_REPORT"]).write_text(json.dumps(bad))

    refused = pipeline.submit(first=0, count=1, submitters=1)

    assert refused.returncode == 1
    assert "audited_from: " in refused.stderr and "is not rated" in refused.stderr
    assert pipeline.counts() == (0, 0, 0)


@pytest.mark.parametrize("pipeline", CHECKED, indirect=True)
def test_nobody_submits_without_a_token(pipeline: Pipeline) -> None:
    Path(pipeline.environment["BENCH_TOKENS"]).write_text("no-token")

    refused = pipeline.submit(first=0, count=1, submitters=1)

    assert refused.returncode == 1 and "Unauthenticated" in refused.stderr
    assert pipeline.counts() == (0, 0, 0)


def publish(amqp_uri: str, events: list[tuple[str, dict[str, Any]]]) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(amqp_uri))
    channel = connection.channel()
    channel.confirm_delivery()
    properties = pika.BasicProperties(
        content_type="application/json", content_encoding="utf-8", delivery_mode=pika.DeliveryMode.Persistent
    )
    for queue, event in events:
        channel.basic_publish("", queue, json.dumps(event).encode(), properties, mandatory=True)
    connection.close()


def eventually(is_so: Callable[[], bool], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, f"after {DEADLINE_S} s: {what()}"
        time.sleep(0.05)
