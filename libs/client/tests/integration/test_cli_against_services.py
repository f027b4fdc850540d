"""The command line against the real services: a report from its file to its certificate and notices."""

import json
import pathlib
import secrets
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from typing import Any

import pytest

from touchstone.rpc.client import Client
from touchstone_contracts.errors import DeadlineExceeded
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, a_world, stage
from touchstone_devkit.eventually import eventually, patience


@pytest.fixture(scope="module")
def scheme(system: Any) -> Iterator[Scheme]:
    with Scheme(system.environment) as opened:
        yield opened


@pytest.fixture
def world(scheme: Scheme) -> World:
    made = a_world("a minor, plan approved", secrets.token_hex(3))
    stage(scheme.register, made)
    return made


@pytest.fixture
def report_file(tmp_path: pathlib.Path, world: World) -> pathlib.Path:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"report": world.report()}), encoding="utf-8")
    return path


def touchstone(system: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return system.run(sys.executable, "-m", "touchstone.cli", *arguments)


def answered(system: Any, *arguments: str) -> Any:
    done = touchstone(system, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def submit(system: Any, world: World, path: pathlib.Path) -> Any:
    return answered(system, "submit", str(path), "--role", "assessor", "--cab", world.case.body_id, "--subject", "rep")


def test_a_file_becomes_a_certificate_and_notices(system: Any, world: World, report_file: pathlib.Path):
    (first,), (again,) = submit(system, world, report_file), submit(system, world, report_file)
    accepted = answered(system, "accept", first["audit_id"], "--role", "secretariat")

    def status() -> Any:
        found = answered(system, "status", first["audit_id"], "--role", "secretariat")
        return found if found["certificate"] and found["notices"] else None

    found = eventually(status, within_s=30, every_s=0.5)
    number = str(found["certificate"]["number"])
    shown = touchstone(system, "status", first["audit_id"], "--role", "secretariat")
    assert first == again
    assert accepted["state"] == "accepted"
    assert answered(system, "certificate", number)["audit_id"] == first["audit_id"]
    assert answered(system, "verify", number)["valid"] is True
    assert all("•••" in notice["address"] for notice in found["notices"])
    assert number in shown.stdout and "\x1b" not in shown.stdout


def test_a_caller_whose_clock_is_a_minute_slow_is_told_so(system: Any, scheme: Scheme, monkeypatch: pytest.MonkeyPatch):
    slow = types.SimpleNamespace(time=lambda: time.time() - 60, monotonic=time.monotonic, sleep=time.sleep)
    monkeypatch.setattr("touchstone.rpc.client.time", slow)
    begun = time.monotonic()

    said = pytest.raises(DeadlineExceeded, match=r"This machine's clock is (59|60|61) s behind the service's: set it")
    with Client(system.amqp_uri, scheme.token("operator"), timeout_s=30) as client, said:
        client.certification.list_cases()

    assert time.monotonic() - begun < 10 * patience()


def test_a_report_with_faults_is_refused_with_all_of_them(system: Any, scheme: Scheme, tmp_path: pathlib.Path):
    world = a_world("five faults in the report", secrets.token_hex(3))
    stage(scheme.register, world)
    path = tmp_path / "faulty.json"
    path.write_text(json.dumps(world.report()), encoding="utf-8")

    done = touchstone(system, "submit", str(path), "--role", "assessor", "--cab", world.case.body_id)

    assert done.returncode == 1
    assert "invalid_report" in done.stderr
    for code in ("unknown_rating", "missing_reason", "missing_plan", "unknown_criterion", "missing_criterion"):
        assert code in done.stderr


def test_who_may_not_is_told_so(system: Any, world: World, report_file: pathlib.Path):
    (submitted,) = submit(system, world, report_file)

    by_member = touchstone(system, "accept", submitted["audit_id"], "--role", "member", "--member", "m")
    by_nobody = touchstone(system, "accept", submitted["audit_id"])
    by_its_author = touchstone(system, "accept", submitted["audit_id"], "--role", "secretariat", "--subject", "rep")

    assert "forbidden" in by_member.stderr and by_member.returncode == 1
    assert "unauthenticated" in by_nobody.stderr and by_nobody.returncode == 1
    assert "decision_not_impartial" in by_its_author.stderr and by_its_author.returncode == 1
