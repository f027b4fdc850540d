"""Two hundred audits while every service is killed again and again: nothing is lost and nothing happens twice."""

import dataclasses
import email
import email.policy
import random
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from touchstone.rpc import BrokerUnreachable, NoAnswer
from touchstone_contracts.errors import Refusal
from touchstone_devkit.backing import Backing
from touchstone_devkit.demo.outcome import DECISIONS
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT, Register, Speaker
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World, a_world, stage
from touchstone_devkit.runner import SERVICES, System

AUDITS = 200
KILLS_EACH = 3
SUBMITTERS = 4
ATTEMPT_S = 20
GIVE_UP_S = 120
SETTLE_S = 120
Say = Callable[[str], None]


@pytest.fixture
def say(pytestconfig: pytest.Config) -> Say:
    """Prints a line of progress past pytest's capture."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    begun = time.monotonic()

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"{time.monotonic() - begun:6.1f} s  {line}", file=sys.stderr, flush=True)

    return say


@pytest.fixture
def own_system(backing: Backing, say: Say) -> Iterator[System]:
    """A system that nobody else uses: its processes are about to die."""
    if not backing.management_uri:
        pytest.skip("without the management API this broker gives no virtual host of its own")
    with System(backing=backing, announce=say) as system:
        yield system


class Killer:
    """Kills each service KILLS_EACH times, in a random order, spread evenly over the work."""

    def __init__(self, system: System, say: Say, seed: int) -> None:
        self.kills: list[str] = []
        self._order = [service for service in SERVICES for _ in range(KILLS_EACH)]
        random.Random(seed).shuffle(self._order)
        self._system = system
        self._say = say

    def allows(self, started: int) -> bool:
        """Whether work may go on: it must not run ahead of the kills."""
        return started <= AUDITS * (len(self.kills) + 1) / len(self._order)

    def run(self, done: Callable[[], int], ended: threading.Event) -> None:
        """Each kill falls while its share of the work is under way and its victim has come back from the last one."""
        for step, service in enumerate(self._order):
            process = self._system.processes[service]
            while not (done() >= AUDITS * (step + 0.5) / len(self._order) and process.is_ready()):
                if ended.wait(timeout=0.02):
                    return
            self._system.kill(service, signal.SIGKILL)
            self.kills.append(service)
            self._say(f"killed {service} when {done()} of {AUDITS} audits were accepted")


class Submissions:
    """Hands in and accepts the audits; each command with its own key, again and again until it is answered."""

    def __init__(self, register: Register, world: World, may_start: Callable[[int], bool]) -> None:
        self.accepted: dict[str, str] = {}
        self.repeats = 0
        self._register = register
        self._world = world
        self._may_start = may_start

    def carry_out(self, index: int) -> None:
        until = time.monotonic() + GIVE_UP_S
        while not self._may_start(index):
            assert time.monotonic() < until, "the kills do not get on"
            time.sleep(0.02)
        report, expected = a_report(self._world, index)
        entity = report["entity"]
        known = {"entity_id": entity["id"], "name": entity["name"], "country": entity["country"]}
        place = {"member_id": report["member_id"], "activities": report["scope"]["activities"], **known}
        self._until_answered(self._world.member, "membership.register_entity", f"e{index}", **place)
        body = self._world.body
        audit_id = self._until_answered(body, "assessment.submit_audit_report", f"s{index}", report=report)["audit_id"]
        self._until_answered(SECRETARIAT, "assessment.accept_audit_report", f"a{index}", audit_id=audit_id)
        self.accepted[audit_id] = expected

    def _until_answered(self, speaker: Speaker, method: str, key: str, **arguments: Any) -> Any:
        until = time.monotonic() + GIVE_UP_S
        while True:
            try:
                return self._register.call(speaker, method, key=key, **arguments)
            except (NoAnswer, BrokerUnreachable) as failure:
                failed: Exception = failure
            except Refusal as refusal:
                if not refusal.retryable:
                    raise
                failed = refusal
            if time.monotonic() > until:
                raise failed
            self.repeats += 1


def a_report(world: World, index: int) -> tuple[dict[str, Any], str]:
    """A report on an entity of its own, and its outcome: three of four are certified, the fourth is refused."""
    entity = {"id": f"works-{index}", "name": f"Fictional works {index} (example)", "country": "DE"}
    report = world.conforming(report_id=f"kill-{index}", entity=entity)
    majors = (0, 0, 1, 4)[index % 4]
    due_on = report["audited_until"]
    for finding in [f for f in report["findings"] if f["rating"] == "conformance"][:majors]:
        finding |= {"rating": "major_nonconformity", "plan": {"state": "approved", "due_on": due_on}}
    return report, "refused" if majors == 4 else "issued"


@pytest.fixture
def world() -> World:
    """One member, one body, and one person to tell for each party."""
    world = a_world("a minor, plan approved", secrets.token_hex(3))
    firsts = {(c["party"]["kind"], c["party"]["id"]): c for c in reversed(world.setup["contacts"])}
    return dataclasses.replace(world, setup=world.setup | {"contacts": list(firsts.values())})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_lose_nothing_and_double_nothing(own_system: System, world: World, say: Say) -> None:
    seed = secrets.randbelow(1_000_000)
    say(f"seed {seed}")
    with Scheme(own_system.environment) as scheme:
        stage(scheme.register, world)
        killer = Killer(own_system, say, seed)
        register = Register(own_system.amqp_uri, own_system.token, timeout_s=ATTEMPT_S)
        submissions = Submissions(register, world, killer.allows)

        run_all(submissions, killer)
        own_system.wait_until_ready(timeout_s=60)
        say(f"all {len(submissions.accepted)} audits accepted; {submissions.repeats} calls were repeated")
        wait_until_told(scheme, 3 * AUDITS, say)
        wait_until_quiet(own_system.amqp_uri, own_system.mongo_uri, own_system.database_prefix, timeout_s=SETTLE_S)

        assert Counter(killer.kills) == dict.fromkeys(SERVICES, KILLS_EACH)
        assert all(own_system.processes[service].restarts >= KILLS_EACH for service in SERVICES)
        faults = [
            *faults_of_entities(scheme, world),
            *faults_of_decisions(scheme, submissions.accepted),
            *faults_of_certificates(scheme, submissions.accepted),
            *faults_of_notices(scheme, own_system, submissions.accepted, world.contact_ids),
            *faults_of_leftovers(scheme),
        ]
    assert faults == []
    mails = len(list(own_system.mail_folder.glob("*.eml")))
    say(f"{mails - 3 * AUDITS} mails came again, with the same Message-ID")
    say("exactly one decision, one certificate or refusal, and one notice for each person, for every audit")


def run_all(submissions: Submissions, killer: Killer) -> None:
    ended = threading.Event()
    killing = threading.Thread(target=killer.run, args=(lambda: len(submissions.accepted), ended), daemon=True)
    killing.start()
    try:
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            list(pool.map(submissions.carry_out, range(AUDITS)))
        killing.join(timeout=60)
    finally:
        ended.set()
        killing.join(timeout=10)


def wait_until_told(scheme: Scheme, expected: int, say: Say) -> None:
    """Until that many notices are sent; more are found later by the checks, fewer by the timeout."""
    until, shown = time.monotonic() + SETTLE_S, 0.0
    while (sent := len(notices_sent(scheme))) < expected:
        assert time.monotonic() < until, f"{sent} of {expected} notices sent after {SETTLE_S} s"
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            say(f"{sent} of {expected} notices sent")
        time.sleep(0.2)


def notices_sent(scheme: Scheme) -> set[str]:
    sent = "notification.notice_sent.v1"
    return {m["data"]["notice_id"] for m in list(scheme.trail.messages) if m["type"] == sent}


def faults_of_entities(scheme: Scheme, world: World) -> Iterator[str]:
    """Membership knows each entity once."""
    known = scheme.register.call(SECRETARIAT, "membership.get_organisation", member_id=world.case.member_id)["entities"]
    ids = Counter(entity["entity_id"] for entity in known)
    expected = {f"works-{index}" for index in range(AUDITS)} | {world.case.report["entity"]["id"]}
    yield from (
        f"entity {id} is there {ids[id]} times" for id in sorted(expected | set(ids)) if ids[id] != (id in expected)
    )


def faults_of_decisions(scheme: Scheme, expected: dict[str, str]) -> Iterator[str]:
    """One case for each accepted audit, decided as it must be, and announced under one event id."""
    cases = {case["case_id"]: case for case in scheme.register.every(SECRETARIAT, "certification.list_cases")}
    announced: dict[str, set[tuple[str, str]]] = {}
    for message in scheme.trail.messages:
        if message["type"] in DECISIONS:
            outcome = DECISIONS[message["type"]]
            announced.setdefault(message["data"]["audit_id"], set()).add((message["id"], outcome))
    yield from (f"{id} has a case and was not accepted" for id in sorted(set(cases) - set(expected)))
    for audit_id, outcome in expected.items():
        if audit_id not in cases or cases[audit_id]["state"] != "decided":
            yield f"{audit_id} is not decided"
        told = [kind for _, kind in announced.get(audit_id, ())]
        if told != [outcome]:
            yield f"{audit_id}: announced {told}, not once {outcome}"


def faults_of_certificates(scheme: Scheme, expected: dict[str, str]) -> Iterator[str]:
    """One certificate for each audit that was certified, none for the others, no number twice."""
    certificates = scheme.register.every(None, "certification.list_certificates")
    of_audit = Counter(certificate["audit_id"] for certificate in certificates)
    for audit_id, outcome in expected.items():
        if of_audit.pop(audit_id, 0) != (outcome == "issued"):
            yield f"{audit_id} was {outcome} and has not just as many certificates"
    yield from (f"a certificate rests on {audit_id}, which was not accepted" for audit_id in of_audit)
    numbers = Counter(certificate["number"] for certificate in certificates)
    yield from (f"certificate {number} stands twice" for number, count in numbers.items() if count > 1)


def faults_of_notices(scheme: Scheme, system: System, expected: dict[str, str], contact_ids: set[str]) -> Iterator[str]:
    """One record for each person and audit; at least one mail for each record, repeats with its Message-ID only."""
    notices = scheme.register.every(OPERATOR, "notification.list_notices")
    told = Counter((notice["audit_id"], notice["contact_id"]) for notice in notices)
    everyone = {(audit_id, contact_id) for audit_id in expected for contact_id in contact_ids}
    yield from (
        f"{who} has {told[who]} notices" for who in sorted(everyone | set(told)) if told[who] != (who in everyone)
    )
    yield from (f"{n['notice_id']} is {n['state']}" for n in notices if n["state"] != "sent")
    recipients: dict[str, list[str]] = {}
    for path in system.mail_folder.glob("*.eml"):
        mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        recipients.setdefault(str(mail["Message-ID"]).strip(), []).append(str(mail["X-Envelope-To"]))
    promised = {notice["message_id"] for notice in notices}
    yield from (f"no mail {message_id} arrived" for message_id in sorted(promised - set(recipients)))
    yield from (f"mail {message_id} belongs to no notice" for message_id in sorted(set(recipients) - promised))
    yield from (f"mail {id} went to several people" for id, people in recipients.items() if len(set(people)) > 1)


def faults_of_leftovers(scheme: Scheme) -> Iterator[str]:
    with scheme.observer() as observer:
        yield from (f"{count} messages in {queue}" for queue, count in observer.dead_letters().items())
        yield from (f"{count} left in {place}" for place, count in observer.under_way().items())


# The checks themselves, fed with what they must find.

AUDIT, NUMBER = "body.report", 10_001
NOTICE = {"notice_id": "n-1", "audit_id": AUDIT, "contact_id": "c-1", "state": "sent", "message_id": "<n-1@x>"}
DECISION = {"id": "e-1", "type": "certification.certificate_issued.v1", "data": {"audit_id": AUDIT}}


def a_scheme(**answers: list[dict[str, Any]]) -> Any:
    """A scheme whose services answer with these lists; by default all is as it must be for one audit and one person."""
    lists = {
        "list_cases": [{"case_id": AUDIT, "state": "decided"}],
        "list_certificates": [{"audit_id": AUDIT, "number": NUMBER}],
        "list_notices": [NOTICE],
    } | answers
    register = SimpleNamespace(every=lambda _speaker, method: lists[method.partition(".")[2]])
    return SimpleNamespace(register=register, trail=SimpleNamespace(messages=lists.get("messages", [DECISION])))


def faults_in(scheme: Any, folder: Path, *mails: tuple[str, str]) -> list[str]:
    for index, (message_id, recipient) in enumerate(mails or [("<n-1@x>", "a@example.org")]):
        (folder / f"{index}.eml").write_text(f"X-Envelope-To: {recipient}\nMessage-ID: {message_id}\n\n")
    expected = {AUDIT: "issued"}
    return [
        *faults_of_decisions(scheme, expected),
        *faults_of_certificates(scheme, expected),
        *faults_of_notices(scheme, cast(System, SimpleNamespace(mail_folder=folder)), expected, {"c-1"}),
    ]


def test_the_checks_are_silent_when_all_is_as_it_must_be(tmp_path: Path) -> None:
    repeated = [("<n-1@x>", "a@example.org")] * 2

    assert faults_in(a_scheme(), tmp_path, *repeated) == []


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({"list_cases": []}, "is not decided"),
        ({"list_cases": [{"case_id": AUDIT, "state": "held"}]}, "is not decided"),
        ({"messages": []}, "announced [], not once issued"),
        ({"messages": [DECISION, DECISION | {"id": "e-2"}]}, "announced ['issued', 'issued'], not once issued"),
        ({"list_certificates": []}, "has not just as many certificates"),
        (
            {"list_certificates": [{"audit_id": AUDIT, "number": n} for n in (1, 2)]},
            "has not just as many certificates",
        ),
        ({"list_certificates": [{"audit_id": id, "number": 1} for id in (AUDIT, "x")]}, "certificate 1 stands twice"),
        ({"list_notices": []}, "has 0 notices"),
        ({"list_notices": [NOTICE, NOTICE | {"notice_id": "n-2"}]}, "has 2 notices"),
        ({"list_notices": [NOTICE | {"state": "pending"}]}, "n-1 is pending"),
        ({"list_notices": [NOTICE | {"message_id": "<lost@x>"}]}, "no mail <lost@x> arrived"),
    ],
)
def test_the_checks_find_what_is_lost_or_doubled(
    tmp_path: Path, answers: dict[str, list[dict[str, Any]]], fault: str
) -> None:
    found = faults_in(a_scheme(**answers), tmp_path)

    assert any(fault in line for line in found), found


def test_the_checks_find_a_mail_that_went_astray(tmp_path: Path) -> None:
    mails = [("<n-1@x>", "a@example.org"), ("<n-1@x>", "b@example.org"), ("<n-9@x>", "a@example.org")]

    found = faults_in(a_scheme(), tmp_path, *mails)

    assert found == ["mail <n-9@x> belongs to no notice", "mail <n-1@x> went to several people"]
