"""What was lost with a queue is found and comes again; what is falsified is told once a report, while it is so."""

import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from harness.workload import a_report, entity_of, small_world
from pymongo import MongoClient

from touchstone.provisioning.provision import provision
from touchstone_contracts.errors import AlreadyExists
from touchstone_contracts.topology import event_queue
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme, decision_events
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import System

ACCEPTED, ISSUED = "assessment.audit_accepted.v1", "certification.certificate_issued.v1"
SUBMITTED, CHANGED = "assessment.audit_report_submitted.v1", "membership.contact_changed.v1"
LOST = (event_queue("certification", ACCEPTED), event_queue("notification", CHANGED))
COMMAND = ("reconcile", "--json", "--role", "operator", "--grace", "0")


def reconcile(system: System, *arguments: str) -> dict[str, Any]:
    """What a round of the command says, with no time of grace."""
    done = system.run("touchstone", *COMMAND, *arguments, timeout_s=200)
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (3 if told["left"] else 0)
    return told


def kinds(told: dict[str, Any], *ids: str) -> set[str]:
    """The kinds of what was found about one of these."""
    return {found["kind"] for found in told["found"] if set(ids) & set(found["about"].values())}


@pytest.fixture
def scheme(own_system: System) -> Iterator[Scheme]:
    with Scheme(own_system.environment) as scheme:
        yield scheme


def be_quiet(system: System) -> None:
    wait_until_quiet(system.amqp_uri, system.mongo_uri, system.database_prefix, timeout_s=90)


@contextlib.contextmanager
def databases(system: System) -> Iterator[Callable[[str, str], Any]]:
    """Gives a collection of a service's database."""
    client: MongoClient
    with MongoClient(system.mongo_uri) as client:
        yield lambda service, name: client[system.database(service)][name]


def delete_queues(system: System, *names: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(system.amqp_uri)) as connection:
        for name in names:
            connection.channel().queue_delete(name)


def provision_again(system: System) -> None:
    provision(system.amqp_uri, system.mongo_uri, system.database_prefix)
    system.wait_until_ready()


def submit_and_accept(scheme: Scheme, world: World, report: dict[str, Any]) -> str:
    """The audit's id. Its entity is registered, if it is not yet."""
    with contextlib.suppress(AlreadyExists):
        scheme.register.call(world.member, "membership.register_entity", **entity_of(report))
    handed_in = scheme.register.call(world.body, "assessment.submit_audit_report", report=report)
    audit_id = str(handed_in["audit_id"])
    if handed_in["state"] == "submitted":
        scheme.register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)
    return audit_id


def lose_an_audit(system: System, scheme: Scheme) -> tuple[World, str]:
    """Have an audit accepted while the queues of its consumers are not there; everything is published."""
    delete_queues(system, *LOST)
    world = small_world()
    stage(scheme.register, world)
    audit_id = submit_and_accept(scheme, world, world.conforming())
    with databases(system) as collections:
        for service in ("membership", "assessment"):
            eventually(lambda s=service: collections(s, "outbox").count_documents({"pending": True}) == 0, within_s=30)
    return world, audit_id


def check_told_once(scheme: Scheme, world: World, audit_id: str) -> None:
    assert len(decision_events(scheme.wire_tap, audit_id)) == 1
    notices = scheme.register.every(OPERATOR, "notification.list_notices", audit_id=audit_id)
    assert sorted(n["contact_id"] for n in notices) == sorted(c["contact_id"] for c in world.setup["contacts"])
    assert {notice["state"] for notice in notices} == {"sent"}


def test_what_was_lost_with_its_queues_comes_again_and_takes_effect_once(own_system: System, scheme: Scheme) -> None:
    world, audit_id = lose_an_audit(own_system, scheme)

    without_queues = reconcile(own_system, "--mend")
    provision_again(own_system)
    dry = reconcile(own_system)
    mended = reconcile(own_system, "--mend")
    be_quiet(own_system)
    after = reconcile(own_system, "--mend")

    assert kinds(without_queues, audit_id) == {"event_not_processed"} and without_queues["mended"] == 0
    assert {f["about"]["queue"] for f in without_queues["found"] if f["kind"] == "queue_missing"} == set(LOST)
    assert kinds(dry, audit_id) == {"event_not_processed"} and dry["mended"] == 0
    assert mended["mended"] == len(dry["found"]) >= 3 and mended["left"] == 0
    assert after["found"] == []
    check_told_once(scheme, world, audit_id)


@pytest.mark.long
def test_a_reconciliation_that_is_killed_while_it_mends_loses_and_doubles_nothing(
    own_system: System, scheme: Scheme
) -> None:
    world, audit_id = lose_an_audit(own_system, scheme)
    provision_again(own_system)
    slowly = [sys.executable, "-m", "touchstone.cli", *COMMAND, "--mend", "--rate", "0.1"]
    with databases(own_system) as collections:
        mending = subprocess.Popen(
            slowly, env={**os.environ, **own_system.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        about = {"subject": {"$in": [audit_id, *(c["contact_id"] for c in world.setup["contacts"])]}}

        def went_out_again(service: str) -> bool:
            ids = [event["_id"] for event in collections(service, "events").find(about)]
            return bool(collections(service, "republications").find_one({"event_id": {"$in": ids}}))

        eventually(lambda: any(map(went_out_again, ("membership", "assessment"))), within_s=60)

        mending.send_signal(signal.SIGKILL)
        mending.wait()

        rest = reconcile(own_system, "--mend")
    be_quiet(own_system)
    after = reconcile(own_system)
    assert rest["mended"] >= 1 and rest["left"] == 0
    assert after["found"] == []
    check_told_once(scheme, world, audit_id)


class Falsifier:
    """Changes documents behind the services' backs, and puts everything back."""

    def __init__(self, collections: Callable[[str, str], Any]):
        self._collections = collections
        self._undo: list[Callable[[], Any]] = []

    def change(self, service: str, name: str, filter: dict[str, Any], **changes: Any) -> None:
        collection = self._collections(service, name)
        original = collection.find_one(filter)
        assert original, (service, name, filter)
        collection.update_one({"_id": original["_id"]}, {"$set": changes})
        self._undo.append(lambda: collection.replace_one({"_id": original["_id"]}, original))

    def remove(self, service: str, name: str, filter: dict[str, Any]) -> str:
        collection = self._collections(service, name)
        original = collection.find_one_and_delete(filter)
        assert original, (service, name, filter)
        # A service may have made it anew: notification looks again for parties that were not told.
        self._undo.append(lambda: collection.replace_one({"_id": original["_id"]}, original, upsert=True))
        return str(original["_id"])

    def copy(self, service: str, name: str, filter: dict[str, Any], **changes: Any) -> str:
        collection = self._collections(service, name)
        original = collection.find_one(filter)
        assert original, (service, name, filter)
        copied = original | {"_id": f"{original['_id']}-copy"} | changes
        collection.insert_one(copied)
        self._undo.append(lambda: collection.delete_one({"_id": copied["_id"]}))
        return str(copied["_id"])

    def put_back_into_the_outbox(self, service: str, id: str, changes: dict[str, Any]) -> None:
        event = self._collections(service, "events").find_one({"_id": id})
        self.remove(service, "events", {"_id": id})
        outbox = self._collections(service, "outbox")
        outbox.insert_one(event | changes)
        self._undo.append(lambda: outbox.delete_one({"_id": id}))

    def undo(self) -> None:
        for step in reversed(self._undo):
            step()


Event = Callable[[str], dict[str, Any]]


def about(audit_id: str, type: str) -> dict[str, Any]:
    return {"subject": audit_id, "type": type}


LATER = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
EARLIER = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)


def issue_of(collections: Callable[[str, str], Any], audit_id: str) -> dict[str, Any]:
    """The event that told of the certificate that came of an audit."""
    certificates = collections("certification", "certificates")
    certificate = eventually(lambda: certificates.find_one({"audit_id": audit_id}), within_s=30)
    about = {"subject": certificate["_id"], "type": ISSUED}
    event: dict[str, Any] = eventually(lambda: collections("certification", "events").find_one(about))
    return event


def falsehoods() -> dict[str, Callable[[Falsifier, str, dict[str, Any]], Any]]:
    """By kind of discrepancy, what makes it: given an audit's id and the event of its certificate."""
    far = {"pending": True, "recorded_at": EARLIER, "next_attempt_at": LATER}
    return {
        "audit_without_case": lambda f, a, _: f.remove("certification", "cases", {"_id": a}),
        "certificate_without_case": lambda f, a, _: f.remove("certification", "cases", {"_id": a}),
        "case_without_audit": lambda f, a, _: f.change("assessment", "audits", {"_id": a}, accepted_at=None),
        "case_without_decision": lambda f, a, _: f.change("certification", "cases", {"_id": a}, decision=None),
        "decision_without_certificate": lambda f, a, _: f.remove("certification", "certificates", {"audit_id": a}),
        "certificates_doubled": lambda f, a, _: f.copy(
            "certification", "certificates", {"audit_id": a}, number=900_000, open=False
        ),
        "certificate_without_decision": lambda f, a, _: f.change(
            "certification", "cases", {"_id": a}, **{"decision.certificate_number": None, "decision.outcome": "refused"}
        ),
        "decision_announced_twice": lambda f, a, e: f.copy("certification", "events", {"_id": e["_id"]}),
        "decision_not_announced": lambda f, a, e: f.remove("certification", "events", {"_id": e["_id"]}),
        "event_unknown_upstream": lambda f, a, e: f.remove("certification", "events", {"_id": e["_id"]}),
        "deadline_missing": lambda f, a, e: f.remove("certification", "deadlines", {"key": e["subject"]}),
        "event_not_processed": lambda f, a, e: f.remove("notification", "inbox", {"_id": {"$regex": f"/{e['_id']}$"}}),
        "event_without_announcement": lambda f, a, e: f.remove("notification", "announcements", {"_id": e["_id"]}),
        "party_not_told": lambda f, a, e: f.remove("notification", "notices", {"about": e["_id"]}),
        "notices_doubled": lambda f, a, e: f.copy(
            "notification", "notices", {"about": e["_id"]}, about="another event", position=f"copy-{a}"
        ),
        "event_not_published": lambda f, a, e: f.put_back_into_the_outbox("certification", e["_id"], far),
        "sequence_gap": lambda f, a, _: f.change("assessment", "events", about(a, ACCEPTED), sequence=4),
        "version_announced_twice": lambda f, a, _: f.copy("assessment", "events", about(a, SUBMITTED)),
    }


def test_whatever_is_falsified_is_told_once_in_each_report_until_it_is_put_back(
    own_system: System, scheme: Scheme
) -> None:
    world, wanted = small_world(), falsehoods()
    stage(scheme.register, world)
    issued = [index for index in range(2 * len(wanted)) if index % 4 != 3][: len(wanted)]
    audits = [submit_and_accept(scheme, world, a_report(world, index)[0]) for index in issued]
    be_quiet(own_system)
    before = reconcile(own_system)
    with databases(own_system) as collections:
        falsifier = Falsifier(collections)
        collections("certification", "certificates").drop_index("audit_id_1")
        issues = {audit_id: issue_of(collections, audit_id) for audit_id in audits}
        for (_, falsify), audit_id in zip(wanted.items(), audits, strict=True):
            falsify(falsifier, audit_id, issues[audit_id])

        first = reconcile(own_system)
        second = reconcile(own_system)
        falsifier.undo()
        after = reconcile(own_system)
    provision_again(own_system)
    assert before["found"] == []
    missed = {
        kind: kinds(first, audit_id, issues[audit_id]["_id"], issues[audit_id]["subject"])
        for kind, audit_id in zip(wanted, audits, strict=True)
    }
    assert [kind for kind, seen in missed.items() if kind not in seen] == [], missed
    healed = {"party_not_told"}  # notification looks again for parties that were not told, sooner or later
    for told in (first, second):
        ids = [found["id"] for found in told["found"]]
        assert len(ids) == len(set(ids)) == told["left"]
    assert {k: n for k, n in first["differences"].items() if k not in {*second["differences"], *healed}} == {}
    assert after["found"] == []


def a_held_report(world: World) -> dict[str, Any]:
    """One with a major nonconformity whose plan nobody approved yet: its case is held until the plan is due."""
    report, _ = a_report(world, 2)
    ended_on = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=2)
    due_on = ended_on + datetime.timedelta(days=28)
    report |= {"audited_from": ended_on.isoformat(), "audited_until": ended_on.isoformat()}
    for finding in [f for f in report["findings"] if f["rating"] == "major_nonconformity"]:
        finding["plan"] = {"state": "submitted", "due_on": due_on.isoformat()}
    return report


@pytest.mark.long
def test_the_deadline_of_a_hold_that_was_lost_is_set_again(own_system: System, scheme: Scheme) -> None:
    world = small_world()
    stage(scheme.register, world)
    audit_id = submit_and_accept(scheme, world, a_held_report(world))
    be_quiet(own_system)
    with databases(own_system) as collections:
        deadlines = collections("certification", "deadlines")
        before = reconcile(own_system)
        lost = eventually(lambda: deadlines.find_one_and_delete({"_id": f"plan_due/{audit_id}"}))

        mended = reconcile(own_system, "--mend")

        restored = deadlines.find_one({"_id": lost["_id"]})
    assert before["found"] == []
    assert kinds(mended, audit_id) == {"deadline_missing"} and mended["left"] == 0
    assert (restored["due_at"], restored["payload"]) == (lost["due_at"], lost["payload"])
    assert reconcile(own_system)["found"] == []


@pytest.mark.long
def test_a_deadline_that_was_lost_is_set_again(own_system: System, scheme: Scheme) -> None:
    world = small_world()
    stage(scheme.register, world)
    audit_id = submit_and_accept(scheme, world, world.conforming())
    be_quiet(own_system)
    with databases(own_system) as collections:
        deadlines = collections("certification", "deadlines")
        row = issue_of(collections, audit_id)
        lost = deadlines.find_one_and_delete({"key": row["subject"]})

        mended = reconcile(own_system, "--mend")

        restored = deadlines.find_one({"_id": lost["_id"]})
    assert kinds(mended, audit_id) == {"deadline_missing"} and mended["left"] == 0
    assert (restored["due_at"], restored["payload"]) == (lost["due_at"], lost["payload"])
    assert reconcile(own_system)["found"] == []
