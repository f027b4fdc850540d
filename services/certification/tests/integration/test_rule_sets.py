"""That replicas decide by what was published, whatever files they were started with, on a real broker and database."""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import certification
from certification.data import rule_sets
from certification.storage.rule_sets import publish_shipped
from touchstone_contracts.reference import canonical, hash_of
from touchstone_devkit.eventually import eventually
from touchstone_devkit.processes.leftovers import Ledger
from touchstone_devkit.processes.ports import free_ports
from touchstone_devkit.processes.running import LocalProcess
from touchstone_testing.reference_data import a_later_rule_set

PACKAGE = pathlib.Path(certification.__file__).parent
CONFIG = PACKAGE.parent / "config.yaml"
CASES = 24
SHIPPED = rule_sets.shipped()[-1]
_WHAT_IT_SHIPS = "from certification.data.rule_sets import shipped; print(shipped()[-1].hash)"


def in_two_days() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=2)


@pytest.fixture
def other_files(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder for PYTHONPATH with certification's code, and another rule set 2 than the one that was provisioned."""
    folder = tmp_path / "other"
    shutil.copytree(PACKAGE, folder / "certification", ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "certification" / "data" / "rule-set-2.json"
    document = json.loads(path.read_text())
    document["parameters"]["full_years"]["value"] = 9
    path.write_text(json.dumps(document))
    return folder


@pytest.fixture
def other_replica(neighbours: Any, other_files: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[LocalProcess]:
    """A second process of certification beside the one in this process, started with other files."""
    (port,) = free_ports(1)
    environment = os.environ | neighbours.environment | {"CERTIFICATION_HTTP_PORT": str(port)}
    environment |= {"PYTHONPATH": str(other_files), "TOUCHSTONE_HTTP_HOST": "127.0.0.1"}
    shown = subprocess.run(
        [sys.executable, "-c", _WHAT_IT_SHIPS], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() != SHIPPED.hash
    ledger = Ledger(tmp_path)
    command = [sys.executable, "-m", "touchstone_chassis", "certification", "--config", str(CONFIG)]
    process = LocalProcess(
        "certification-2",
        command,
        ledger=ledger,
        port=port,
        ready_uri=f"http://127.0.0.1:{port}/ready",
        environment=environment,
    )
    try:
        process.start()
        yield process
    finally:
        process.stop()
        ledger.close()


def opened_by(process: LocalProcess) -> int:
    """How many cases the process has opened."""
    with urllib.request.urlopen(str(process.ready_uri).replace("/ready", "/metrics")) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        int(float(line.split()[-1]))
        for line in lines
        if line.startswith("touchstone_handler_seconds_count") and 'entrypoint="open_case"' in line
    )


def decide(neighbours: Any, build: Any, name: str) -> list[Any]:
    """Have cases opened and decided, by whichever replica; what each keeps of the rule set, and when it expires."""
    ids = [f"body.{name}-{number}" for number in range(CASES)]
    for id in ids:
        neighbours.publish(build.accepted(audit_id=id, entity=build.place(f"works-{id}")))
    eventually(lambda: all(neighbours.state(id) == "decided" for id in ids), within_s=60)
    return [neighbours.call("get_case", case_id=id)["decision"]["rule_set"] for id in ids]


def test_replicas_with_different_files_decide_by_the_rule_set_that_was_published_for_the_day(
    neighbours: Any, build: Any, other_replica: LocalProcess
) -> None:
    neighbours.publish(build.recorded())
    neighbours.sign_mandate()
    eventually(lambda: neighbours.database["members"].find_one())
    document = a_later_rule_set(in_two_days().isoformat(), full_years=1)

    today = decide(neighbours, build, "today")
    answer = neighbours.call("publish_rule_set", document=document)
    neighbours.sign_mandate(mandate_id="mandate-3", rule_set=3)
    before = opened_by(other_replica)
    neighbours.move_clock(2)
    eventually(lambda: all(neighbours.call("get_rule_set")["version"] == 3 for _ in range(8)))  # of both replicas
    later = decide(neighbours, build, "later")

    assert today == [{"id": "decision-table", "version": 2, "hash": SHIPPED.hash}] * CASES
    assert later == [{"id": "decision-table", "version": 3, "hash": answer["hash"]}] * CASES
    assert answer["hash"] == hash_of(canonical(document))
    assert 0 < before < CASES and 0 < opened_by(other_replica) - before < CASES  # both replicas took their part


def test_a_published_rule_set_is_announced_and_shown_whole_and_a_changed_one_is_refused(
    neighbours: Any,
) -> None:
    document = a_later_rule_set(in_two_days().isoformat())

    first = neighbours.call("publish_rule_set", document=document)
    again = neighbours.call("publish_rule_set", document=document)
    token = neighbours.token("secretariat")
    changed = neighbours.ask(
        "publish_rule_set", token, document=document | {"title": "Another"}, idempotency_key="changed"
    )["error"]

    published = {"type": "certification.rule_set_published.v1"}
    row = eventually(lambda: neighbours.database["events"].find_one(published))
    assert neighbours.database["events"].count_documents(published) == 1
    assert json.loads(json.loads(row["body"])["data"]["content"]) == document
    assert again == first
    assert neighbours.call("get_rule_set", version=3)["document"] == document
    assert (changed["code"], [one["path"] for one in changed["errors"]]) == (
        "already_exists",
        ["document.title"],
    )


def test_what_is_shipped_is_published_once_however_many_provision_at_once(neighbours: Any) -> None:
    before = list(neighbours.database["rule_sets"].find())

    publish_shipped(neighbours.database)

    assert [one["hash"] for one in before] == [one.hash for one in rule_sets.shipped()]
    assert list(neighbours.database["rule_sets"].find()) == before
    assert [one["_id"] for one in neighbours.database["migrations"].find()] == [1]
