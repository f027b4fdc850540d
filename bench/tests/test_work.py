"""The pure steps of an audit, and the load generator that every peer is measured with."""

import datetime
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import submit
import work

from touchstone_contracts.callers import Caller
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.events.certification import CertificateIssued
from touchstone_contracts.values import Level
from touchstone_devkit.demo.worlds import a_world

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
CONTACTS = 10
PEERS = Path(work.__file__).parent


WITHOUT_OTHERS = """
import importlib.metadata, sys

owners = importlib.metadata.packages_distributions()

class Lacks:
    def find_spec(self, name, *_):
        by = {owner.lower().replace("_", "-") for owner in owners.get(name.partition(".")[0], ())}
        if by and by.isdisjoint(sys.argv[1:]) and not any(owner.startswith("touchstone-") for owner in by):
            raise ModuleNotFoundError(f"{name} is not in the lock", name=name)

sys.meta_path.insert(0, Lacks())
import steps
"""


@pytest.mark.parametrize("lock", sorted(PEERS.glob("*/requirements.txt")), ids=lambda lock: lock.parent.name)
def test_the_work_is_done_with_what_the_peers_environment_has(lock: Path) -> None:
    locked = re.findall(r"^([a-z0-9-]+)==", lock.read_text(), re.M)
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_OTHERS, *locked]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(PEERS)}, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return a_world("a minor, plan approved", "bench").conforming()


@pytest.fixture
def caller(report: dict[str, Any]) -> Caller:
    return Caller("bench", "assessor", cab=report["body_id"])


@pytest.fixture
def known(report: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    return work._known(report, CONTACTS)


def submitted(report: dict[str, Any], caller: Caller, known: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return work.submitted(report, caller, known["assessment", "bodies"][0], known["assessment", "auditors"], NOW)


def test_a_good_report_goes_all_the_way_to_a_notice_for_each_contact(
    report: dict[str, Any], caller: Caller, known: Any
) -> None:
    audit, accepted = submitted(report, caller, known)
    certificate, issued = work.decided(on_the_wire(accepted), known["certification", "members"][0], 7, NOW)
    notices = work.noticed(on_the_wire(issued), known["notification", "contacts"], NOW)

    assert audit["report"] == report
    assert AuditAccepted.schema.load(accepted).audit_id == audit["_id"]
    assert CertificateIssued.schema.load(issued).level is Level.FULL
    assert (certificate["number"], certificate["audit_id"], certificate["_id"]) == (7, audit["_id"], audit["_id"])
    assert certificate["case"]["state"] == "decided"
    assert {notice["contact_id"] for notice in notices} == {f"c-{i}" for i in range(CONTACTS)}
    assert {notice["audit_id"] for notice in notices} == {audit["_id"]}


def test_a_repeated_event_leads_to_the_same_ids(report: dict[str, Any], caller: Caller, known: Any) -> None:
    _, accepted = submitted(report, caller, known)
    member, contacts = known["certification", "members"][0], known["notification", "contacts"]

    first, issued = work.decided(accepted, member, 1, NOW)
    again, issued_again = work.decided(accepted, member, 2, NOW)

    assert first["_id"] == again["_id"]
    ids = [[notice["_id"] for notice in work.noticed(event, contacts, NOW)] for event in (issued, issued_again)]
    assert ids[0] == ids[1] and len(set(ids[0])) == CONTACTS


def test_every_fault_of_a_report_is_told_at_once(report: dict[str, Any], caller: Caller, known: Any) -> None:
    findings = [report["findings"][0] | {"rating": "excellent"}, *report["findings"][2:]]
    bad = {k: v for k, v in report.items() if k != "team"} | {"findings": findings, "audited_from": "yesterday"}

    with pytest.raises(ValueError) as raised:
        submitted(bad, caller, known)

    told = str(raised.value)
    for wrong in ("team: ", "audited_from: ", "findings[0].rating: ", "findings: "):
        assert wrong in told


def test_a_report_of_another_body_is_refused(report: dict[str, Any], known: Any) -> None:
    stranger = Caller("bench", "assessor", cab="somebody-else")

    with pytest.raises(ValueError, match="own reports only"):
        submitted(report, stranger, known)


def test_a_member_cannot_submit(report: dict[str, Any], known: Any) -> None:
    with pytest.raises(PermissionError):
        submitted(report, Caller("bench", "member", member=report["member_id"]), known)


def test_a_report_of_an_unknown_body_or_team_is_refused(report: dict[str, Any], caller: Caller) -> None:
    with pytest.raises(ValueError, match="no accredited body") as raised:
        work.submitted(report, caller, None, [], NOW)

    assert "lacks registration" in str(raised.value)


def test_a_suspended_member_gets_no_certificate(report: dict[str, Any], caller: Caller, known: Any) -> None:
    _, accepted = submitted(report, caller, known)
    suspended = known["certification", "members"][0] | {"good": False}

    with pytest.raises(ValueError, match="no certificate"):
        work.decided(accepted, suspended, 1, NOW)


def test_contacts_are_spread_over_the_parties_that_are_told(report: dict[str, Any], caller: Caller, known: Any) -> None:
    _, accepted = submitted(report, caller, known)
    _, issued = work.decided(accepted, known["certification", "members"][0], 1, NOW)

    spread = {contact["party"] for contact in known["notification", "contacts"]}

    assert spread == set(work.parties(issued))


def test_a_report_whose_team_cannot_be_read_names_nobody() -> None:
    teams = [None, "auditor", [1, {}, {"auditor_id": 5}, {"auditor_id": "a"}]]

    assert [work.auditor_ids({"team": team}) for team in teams] == [[], [], ["a"]]


class Notebook:
    """A client that notes what it is given."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.closed = 0
        self._fails_at, self._lock = fails_at, threading.Lock()

    def submit(self, report: dict[str, Any], token: str) -> str:
        with self._lock:
            if len(self.seen) == self._fails_at:
                raise ConnectionError("gone")
            self.seen.append((report["report_id"], report["entity"]["id"], token))
            return f"audit-of-{report['report_id']}"

    def close(self) -> None:
        self.closed += 1


def test_every_index_is_submitted_once_by_some_submitter(report: dict[str, Any]) -> None:
    notebook = Notebook()
    load = submit.Load(report, lambda: "token", range(5, 25))

    submit.run(lambda _: notebook, "amqp://", load, 4)

    assert sorted(notebook.seen) == sorted((f"bench-{i}", f"works-{i}", "token") for i in range(5, 25))
    assert {line["audit_id"] for line in load.results} == {f"audit-of-bench-{i}" for i in range(5, 25)}
    assert all(line["begun"] <= line["ended"] for line in load.results)
    assert notebook.closed == 4


def test_submissions_with_a_rate_begin_when_they_are_due(report: dict[str, Any]) -> None:
    load = submit.Load(report, lambda: "token", range(5), rate=100)

    submit.run(lambda _: Notebook(), "amqp://", load, 3)

    begun = sorted(line["begun"] for line in load.results)
    assert [round(later - begun[0], 3) for later in begun] == [0, 0.01, 0.02, 0.03, 0.04]


def test_nothing_is_begun_after_the_time_is_over(report: dict[str, Any]) -> None:
    load = submit.Load(report, lambda: "token", range(1000), rate=100, seconds=0.1)

    submit.run(lambda _: Notebook(), "amqp://", load, 2)

    assert 10 <= len(load.results) <= 11


def test_a_submission_that_fails_ends_the_run(report: dict[str, Any]) -> None:
    notebook = Notebook(fails_at=3)
    load = submit.Load(report, lambda: "token", range(1000))

    with pytest.raises(ConnectionError, match="gone"):
        submit.run(lambda _: notebook, "amqp://", load, 2)

    assert len(notebook.seen) == 3
    assert notebook.closed == 2


def test_a_client_that_cannot_connect_ends_the_run(report: dict[str, Any]) -> None:
    clients: list[Any] = [Notebook(), Notebook()]

    def connect(_: str) -> Any:
        if not clients:
            raise ConnectionRefusedError("nobody there")
        return clients.pop()

    load = submit.Load(report, lambda: "token", range(1000))

    with pytest.raises(ConnectionRefusedError):
        submit.run(connect, "amqp://", load, 3)

    assert load.results == []


def test_the_token_is_read_again_when_it_is_old(tmp_path: Path) -> None:
    path, now = tmp_path / "token", [0.0]
    path.write_text("first\n")
    token = submit.token_in(path, lambda: now[0])
    assert token() == "first"
    path.write_text("second\n")

    now[0] = 59.9
    young = token()
    now[0] = 60.0
    old = token()

    assert (young, old) == ("first", "second")


def on_the_wire(event: dict[str, Any]) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(json.dumps(event))
    return sent
