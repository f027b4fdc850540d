"""Back up under load, restore, reconcile, go on: of one service's database, and of all of them.

What docs/runbooks/restore-a-database.md says about each service is what these tests see.
"""

import contextlib
import datetime
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import checks
from harness.checks import Found
from harness.finding import find
from harness.running import faulty_system
from harness.workload import Say, Workload, a_report, entity_of, prepare, settle

from touchstone_contracts.errors import AlreadyExists
from touchstone_contracts.services import SERVICES
from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import System

FIRST, WITH_EACH_BACKUP, AFTERWARDS = 4, 3, 4
"""How many audits are handed in before the first backup, while each one is made, and when all are done."""
CONSUMERS_FIRST = SERVICES[::-1]
ISSUED = "certification.certificate_issued.v1"
SETTLE_S, ROUNDS_MAX = 240, 8


pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def system(backing: Backing, say: Say) -> Iterator[System]:
    """A system whose databases no other test relies on."""
    if not backing.management_uri:
        pytest.skip("without the management API this broker gives no virtual host of its own")
    with faulty_system(backing, say) as system:
        yield system


class Rehearsal:
    """A workload during which databases are backed up; then they are put back, and the ledgers compared."""

    def __init__(self, system: System, scheme: Scheme, folder: Path, say: Say) -> None:
        self.system, self.scheme, self._folder, self._say = system, scheme, folder, say
        self.world: World = prepare(scheme)
        self.be_quiet()  # the mandate covers what comes from now on
        self._mails_before = list(system.mail_folder.glob("*.eml"))

    def work_and_back_up(self, *services: str) -> None:
        """The backups are made one after the other while audits are handed in and decided; then all comes to rest."""
        self.audits = FIRST + WITH_EACH_BACKUP * len(services) + AFTERWARDS
        self.workload, started = Workload(self.system, self.world, self.audits), [FIRST]
        thread = threading.Thread(target=self.workload.run, args=(lambda index: index < started[0],))
        thread.start()
        eventually(lambda: len(self.workload.accepted) >= FIRST, within_s=120)
        self.began = datetime.datetime.now(datetime.UTC)
        for service in services:
            started[0] += WITH_EACH_BACKUP
            self._say(f"backing up {service} with {len(self.workload.accepted)} audits accepted")
            self._touchstone("backup", "--service", service, "--out", str(self._file(service)))
        started[0] = self.audits
        thread.join()
        notices = len(self.workload.accepted) * len(self.workload.expected().contact_ids)
        settle(self.scheme, self.system, notices, timeout_s=SETTLE_S, say=self._say)
        assert self.workload.failures == [] and len(self.workload.accepted) == self.audits
        assert self.faults() == []

    def put_back(self, *services: str) -> None:
        """Stop, restore, provision, start."""
        for service in services:
            self.system.processes[service].hold()
        for service in services:
            self._touchstone("restore", str(self._file(service)), "--service", service, "--replace")
        self._touchstone("provision")
        restored = self.find()
        self.audits_left = {audit["_id"] for audit in restored.audits if audit["state"] == "accepted"}
        self.decided_left = {case["_id"] for case in restored.cases if case["state"] == "decided"}
        for service in services:
            self.system.processes[service].release()
        self.system.wait_until_ready()
        self.be_quiet()

    def reconcile(self) -> set[str]:
        """Mend until nothing more is mended. The kinds of what was found on the way; the last round's are `left`."""
        kinds: set[str] = set()
        since = (self.began - datetime.timedelta(minutes=1)).isoformat()
        command = ("reconcile", "--json", "--role", "operator", "--grace", "0", "--since", since, "--mend")
        for _ in range(ROUNDS_MAX):
            done = self.system.run("touchstone", *command, timeout_s=200)
            assert done.stdout.startswith("{"), done.stdout + done.stderr
            told = json.loads(done.stdout)
            found = [discrepancy for discrepancy in told["found"] if self._of_this_world(discrepancy)]
            kinds |= {discrepancy["kind"] for discrepancy in found}
            self._say(f"reconciled: {told['differences']}, {told['mended']} mended, {told['left']} left")
            self.be_quiet()
            if not told["mended"]:
                self.left = Counter(discrepancy["kind"] for discrepancy in found)
                return kinds
        raise AssertionError(f"still mending after {ROUNDS_MAX} rounds")

    def _of_this_world(self, found: dict[str, Any]) -> bool:
        """Databases that an earlier test put back leave discrepancies behind."""
        own = {message["id"] for message in self.scheme.wire_tap.messages} | set(self.workload.accepted)
        return bool(own & set(found["about"].values()))

    def hand_in_again(self) -> None:
        """What a person does when assessment has lost audits: have them submitted and accepted again."""
        for index in range(self.audits):
            report, _ = a_report(self.world, index)
            if f"{report['body_id']}.{report['report_id']}" not in self.audits_left:
                self._submit_and_accept(report)
        self.be_quiet()

    def _submit_and_accept(self, report: dict[str, Any]) -> str:
        call, audit_id = self.scheme.register.call, f"{report['body_id']}.{report['report_id']}"
        with contextlib.suppress(AlreadyExists):  # the backup may hold it as submitted
            call(self.world.body, "assessment.submit_audit_report", report=report)
        call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)
        return audit_id

    def go_on(self) -> None:
        """One more audit, from its submission to its last notice."""
        report, outcome = a_report(self.world, self.audits)
        self.scheme.register.call(self.world.member, "membership.register_entity", **entity_of(report))
        audit_id = self._submit_and_accept(report)
        self.workload.accepted[audit_id] = outcome
        eventually(lambda: self._told_of(audit_id) == self.workload.expected().contact_ids, within_s=120)
        self.be_quiet()

    def find(self) -> Found:
        return find(
            self.scheme, self.system, self.world, mandates=self.workload.mandates, mails_before=self._mails_before
        )

    def faults(self) -> list[checks.Fault]:
        return checks.faults(self.workload.expected(), self.find())

    def faults_of_register(self) -> list[checks.Fault]:
        """Whether each accepted audit is decided, and has its one certificate, whatever was announced before."""
        expected, found = self.workload.expected(), self.find()
        decided = {case["_id"] for case in found.cases if case["state"] == "decided"}
        undecided = [checks.Fault(checks.LOST, f"{id} is not decided") for id in set(expected.accepted) - decided]
        return [*undecided, *checks.faults_of_certificates(expected, found), *checks.faults_of_leftovers(found)]

    def numbers(self) -> dict[int, set[str]]:
        """Every certificate number that was ever announced, with the audits that it was given to."""
        given: dict[int, set[str]] = {}
        for message in self.scheme.wire_tap.messages:
            if message["type"] == ISSUED:
                given.setdefault(message["data"]["number"], set()).add(message["data"]["audit_id"])
        return given

    def _told_of(self, audit_id: str) -> set[str]:
        return {n["contact_id"] for n in self.find().notices if n["audit_id"] == audit_id and n["state"] == "sent"}

    def _file(self, service: str) -> Path:
        return self._folder / f"{service}.backup"

    def _touchstone(self, *arguments: str) -> None:
        done = self.system.run("touchstone", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def be_quiet(self) -> None:
        wait_until_quiet(self.system.amqp_uri, self.system.mongo_uri, self.system.database_prefix, timeout_s=SETTLE_S)


@pytest.fixture
def rehearsal(system: System, tmp_path: Path, say: Say) -> Iterator[Rehearsal]:
    with Scheme(system.environment) as scheme:
        yield Rehearsal(system, scheme, tmp_path, say)


def test_notification_is_told_again_what_it_forgot_and_tells_nobody_twice(rehearsal: Rehearsal) -> None:
    rehearsal.work_and_back_up("notification")

    rehearsal.put_back("notification")
    kinds = rehearsal.reconcile()

    assert kinds == {"event_not_processed"} and rehearsal.left == {}
    assert rehearsal.faults() == []
    assert checks.mails_again(rehearsal.find()) > 0  # with the Message-ID of the first time
    rehearsal.go_on()
    assert rehearsal.faults() == []


def test_certification_decides_again_what_it_forgot_under_numbers_that_nobody_has_seen(rehearsal: Rehearsal) -> None:
    rehearsal.work_and_back_up("certification")
    numbers_before = set(rehearsal.numbers())

    rehearsal.put_back("certification")
    forgotten = set(rehearsal.workload.accepted) - rehearsal.decided_left
    rehearsal.reconcile()
    rehearsal.go_on()

    assert forgotten and rehearsal.faults_of_register() == []
    assert all(len(audits) == 1 for audits in rehearsal.numbers().values())
    assert min(set(rehearsal.numbers()) - numbers_before) > max(numbers_before)
    in_register = {certificate["number"] for certificate in rehearsal.find().certificates}
    void = [number for number in numbers_before if rehearsal.numbers()[number] & forgotten]
    assert void and not in_register & set(void)
    # Each decision that was forgotten had been told, and is told again: people must hear why.
    assert rehearsal.left["event_unknown_upstream"] == len(forgotten)
    assert rehearsal.left["notices_doubled"] == len(forgotten) * len(rehearsal.workload.expected().contact_ids)
    assert set(rehearsal.left) == {"event_unknown_upstream", "notices_doubled"}


def test_what_assessment_forgot_is_handed_in_again_and_decided_once_all_the_same(rehearsal: Rehearsal) -> None:
    rehearsal.work_and_back_up("assessment")

    rehearsal.put_back("assessment")
    forgotten = set(rehearsal.workload.accepted) - rehearsal.audits_left
    kinds = rehearsal.reconcile()
    left = rehearsal.left
    rehearsal.hand_in_again()
    rehearsal.go_on()
    rehearsal.reconcile()

    assert kinds >= {"case_without_audit", "event_unknown_upstream"}
    assert forgotten and left["case_without_audit"] == len(forgotten)
    assert rehearsal.faults() == []
    assert "case_without_audit" not in rehearsal.left


def test_what_membership_says_after_its_restore_counts_though_it_forgot_what_it_said(rehearsal: Rehearsal) -> None:
    rehearsal.work_and_back_up("membership")
    call, member_id = rehearsal.scheme.register.call, rehearsal.world.case.member_id
    contact = rehearsal.world.setup["contacts"][0]
    for action, reasons in (("suspend", {"reasons": ["Fee overdue."]}), ("reinstate", {})):
        call(SECRETARIAT, f"membership.{action}", member_id=member_id, **reasons)
    call(SECRETARIAT, "membership.set_contact", **contact | {"name": "Forgotten"})
    rehearsal.be_quiet()

    rehearsal.put_back("membership")
    rehearsal.reconcile()
    call(SECRETARIAT, "membership.suspend", member_id=member_id, reasons=["Fee still overdue."])
    call(SECRETARIAT, "membership.set_contact", **contact | {"name": "Remembered"})
    rehearsal.be_quiet()
    rehearsal.reconcile()

    with rehearsal.scheme.observer() as observer:
        standing = observer.collection("certification", "member_standings").find_one({"_id": member_id})
        told = observer.collection("notification", "contacts").find_one({"_id": contact["contact_id"]})
    assert standing["good"] is False
    assert told["name"] == "Remembered"
    assert "sequence_gap" not in rehearsal.left


def test_of_all_databases_backed_up_consumers_first_the_others_are_made_to_agree(rehearsal: Rehearsal) -> None:
    rehearsal.work_and_back_up(*CONSUMERS_FIRST)
    numbers_before = set(rehearsal.numbers())
    everything = dict(rehearsal.workload.accepted)

    rehearsal.put_back(*CONSUMERS_FIRST)
    kinds = rehearsal.reconcile()
    left = rehearsal.left
    rehearsal.workload.accepted = {id: everything[id] for id in rehearsal.audits_left}
    agreed = rehearsal.faults_of_register()
    rehearsal.workload.accepted = everything
    rehearsal.hand_in_again()
    rehearsal.go_on()

    assert kinds == {"event_not_processed"} and left == {}
    assert agreed == [] and rehearsal.decided_left < rehearsal.audits_left < set(everything)
    assert rehearsal.faults_of_register() == []
    assert all(len(audits) == 1 for audits in rehearsal.numbers().values())
    assert min(set(rehearsal.numbers()) - numbers_before) > max(numbers_before)
