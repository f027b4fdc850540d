"""The command line does the main job from the example files: submit, accept, status, certificate, verify, import."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from touchstone_devkit.demo.scheme import Scheme, decision_events
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.eventually import eventually
from touchstone_testing.reference_data import a_later_rule_set, a_later_standard, later_obligations

TIMEOUT_S = 30


def touchstone(scheme: Scheme, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "touchstone.cli", *arguments],
        env={**os.environ, **scheme.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_main_job_by_commands(scheme: Scheme, new_world: Callable[[str], World], tmp_path: Path) -> None:
    world = new_world("a major, plan approved")
    stage(scheme.register, world)
    file = tmp_path / "report.json"
    file.write_text(json.dumps(world.report()))
    as_body = ("--role", "assessor", "--cab", world.case.body_id, "--json")
    as_secretariat = ("--role", "secretariat", "--json")

    (taken,) = answer(touchstone(scheme, "submit", str(file), *as_body))
    (again,) = answer(touchstone(scheme, "submit", str(file), *as_body))
    answer(touchstone(scheme, "accept", taken["audit_id"], "--subject", "secretariat-2", *as_secretariat))
    (issued,) = eventually(lambda: decision_events(scheme.wire_tap, taken["audit_id"]), within_s=TIMEOUT_S)
    number = str(issued["data"]["number"])
    found = answer(touchstone(scheme, "status", taken["audit_id"], *as_secretariat))
    certificate = answer(touchstone(scheme, "certificate", number, "--json"))
    valid = touchstone(scheme, "verify", number, "--json")
    lapsed = touchstone(scheme, "verify", number, "--on", "2199-01-01", "--json")

    assert again["audit_id"] == taken["audit_id"]
    assert found["case"]["outcome"] == certificate["level"] == "provisional"
    assert (valid.returncode, lapsed.returncode) == (0, 3)


def test_a_report_with_faults_tells_all_of_them_and_fails(
    scheme: Scheme, new_world: Callable[[str], World], tmp_path: Path
) -> None:
    world = new_world("five faults in the report")
    stage(scheme.register, world)
    file = tmp_path / "report.json"
    file.write_text(json.dumps(world.report()))

    done = touchstone(scheme, "submit", str(file), "--role", "assessor", "--cab", world.case.body_id, "--json")

    assert done.returncode == 1
    assert all(code in done.stdout + done.stderr for code in world.case.problems)


def test_a_published_certificate_is_imported_by_the_registrar(
    scheme: Scheme, new_world: Callable[[str], World], tmp_path: Path
) -> None:
    world = new_world("INALUM, Kuala Tanjung")
    stage(scheme.register, world)
    file = tmp_path / "published.json"
    file.write_text(json.dumps({"report": world.report(), "history": world.case.history, "published": {}}))

    (taken,) = answer(touchstone(scheme, "submit", "--import", str(file), "--role", "registrar", "--json"))

    (issued,) = eventually(lambda: decision_events(scheme.wire_tap, taken["audit_id"]), within_s=TIMEOUT_S)
    assert issued["data"]["issued_on"] == "2023-01-26"


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (("rule_set",), a_later_rule_set()),
        (("standard", "PS-3.0"), a_later_standard()),
        (("obligations",), later_obligations()),
    ],
    ids=lambda given: given[0] if isinstance(given, tuple) else "",
)
def test_reference_data_is_published_from_a_file_and_shown_as_it_was_published(
    scheme: Scheme, tmp_path: Path, kind: tuple[str, ...], document: Any
) -> None:
    file, changed = tmp_path / "next.json", tmp_path / "changed.json"
    file.write_text(json.dumps(document, indent=4))
    changed.write_text(json.dumps(document | {"effective_from": "2198-01-01"}))
    as_secretariat, version = ("--role", "secretariat", "--json"), document["version"]

    taken = answer(touchstone(scheme, "reference", "publish", str(file), *as_secretariat))
    again = answer(touchstone(scheme, "reference", "publish", str(file), *as_secretariat))
    refused = touchstone(scheme, "reference", "publish", str(changed), *as_secretariat)
    listed = answer(touchstone(scheme, "reference", "list", "--kind", kind[0], *as_secretariat))
    shown = answer(touchstone(scheme, "reference", "show", *kind, "--version", str(version), *as_secretariat))
    today = answer(touchstone(scheme, "reference", "show", *kind, *as_secretariat))

    assert again == taken
    assert (refused.returncode, "document.effective_from" in refused.stderr) == (1, True)
    assert (taken["id"], version) in [(one["id"], one["version"]) for one in listed]
    assert (shown["document"], shown["hash"], shown["hash_agrees"]) == (document, taken["hash"], True)
    assert (today["version"], today["hash_agrees"]) == (version - 1, True)
