"""The model's checks, fed with what they must find: pictures that were spoiled, and systems that were sabotaged."""

import copy
import dataclasses
import datetime
import functools
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest
from simulation import checks, people
from simulation.checks import Picture
from simulation.looking import picture_of
from simulation.system import Fault, Sent, System

from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.services import SERVICES
from touchstone_testing.memory_mongo import MemoryCollection

pytestmark = pytest.mark.usefixtures("fixed_time")

AUDIT = "b-1.r-1"


def a_day(system: System) -> None:
    """Two certificates, a refusal and a case that waits for its plan; one certificate has expired."""
    people.accredit(system)
    for member in people.MEMBERS:
        people.change_membership(system, member, "register")
        people.change_membership(system, member, "activate")
    people.register_sites(system)
    for contact in ("c-1", "c-3", "c-4", "c-5"):
        people.set_contact(system, contact, active=True)
    for standard in (0, 2):
        people.sign_mandate(system, standard, from_day=system.clock.today())
    certify(system, 1, "m-1-works", "conforming")
    certify(system, 2, "m-1-mill", "too many majors")
    system.settle()
    system.go_on(datetime.timedelta(days=1_200))
    certify(system, 3, "m-2-works", "minor, plan approved")
    certify(system, 4, "m-2-works", "minor, plan to come")
    system.settle()


def certify(system: System, number: int, entity: str, findings: str, **trouble: Any) -> Any:
    day = system.clock.today() - datetime.timedelta(days=3)
    report = people.report(number, body_id="b-1", entity=entity, standard=0, findings=findings, audited_until=day)
    people.submit(system, report)
    return system.call("assessment", "accept_audit_report", audit_id=f"b-1.r-{number}", **trouble)


@pytest.fixture
def system() -> Iterator[System]:
    with System() as system:
        yield system


@pytest.fixture
def good() -> Picture:
    return copy.deepcopy(a_good_day())


@functools.cache
def a_good_day() -> Picture:
    with System() as system:
        a_day(system)
        return picture_of(system)


def test_they_are_silent_on_a_good_day(good: Picture) -> None:
    assert checks.at_rest(good) == []
    assert {m["type"] for m in good.events} >= set(checks.TOLD) - set(checks.CHANGED)
    assert len(good.certificates) == 2
    assert {case["state"] for case in good.cases} == {"decided", "held"}


def test_they_know_every_record() -> None:
    services = [next(iter(entry_points(group="touchstone.services", name=name))).load() for name in SERVICES]

    records = {record.type_name for service in services for record in service.reconciliation.present}
    assert {*checks.RECORDS.values(), *checks.BROUGHT_ALONG} == records


def without(field: str, wanted: Callable[[Any], bool]) -> Callable[[Picture], dict[str, Any]]:
    return lambda picture: {field: [one for one in getattr(picture, field) if not wanted(one)]}


def twice(field: str, wanted: Callable[[Any], bool], **changes: Any) -> Callable[[Picture], dict[str, Any]]:
    def spoil(picture: Picture) -> dict[str, Any]:
        of = getattr(picture, field)
        return {field: [*of, next(one for one in of if wanted(one)) | changes]}

    return spoil


def changed(field: str, wanted: Callable[[Any], bool], **changes: Any) -> Callable[[Picture], dict[str, Any]]:
    return lambda picture: {field: [one | changes if wanted(one) else one for one in getattr(picture, field)]}


def is_type(name: str) -> Callable[[Any], bool]:
    return lambda message: message["type"] == name


def lost_trace(picture: Picture) -> dict[str, Any]:
    return {"traces": [*picture.traces, checks.Trace("e", "some.event.v1", "somebody", "lost")]}


def queued_trace(picture: Picture) -> dict[str, Any]:
    return {"traces": [*picture.traces, checks.Trace("e", "some.event.v1", "somebody", "queued")]}


def strange_mail(picture: Picture) -> dict[str, Any]:
    return {"sent": [*picture.sent, Sent(picture.notices[0]["_id"], "c-9@example.org", "<x@y>", True)]}


def is_audit(document: Any) -> bool:
    return document.get("_id") == AUDIT or document.get("audit_id") == AUDIT


SPOILED: list[tuple[Callable[[Picture], dict[str, Any]], str]] = [
    (lost_trace, "some.event.v1 e is neither processed nor waiting for somebody"),
    (queued_trace, "some.event.v1 e is queued for somebody"),
    (strange_mail, "is no notice's"),
    (lambda _: {"parked": ["q: broke"]}, "given up: q: broke"),
    (lambda _: {"skipped": ["x went from version 3 to 3"]}, "x went from version 3 to 3"),
    (lambda p: {"versions": p.versions | {("assessment", "audits", AUDIT): 3}}, f"audits/{AUDIT} is at version 3"),
    (lambda p: {"versions": p.versions | {("certification", "cases", "b-1.r-4"): 0}}, "announced 1"),
    (without("events", is_type("certification.case_recorded.v1")), f"cases/{AUDIT} is at version 1 and recorded []"),
    (twice("events", is_type("membership.organisation_recorded.v1")), "organisations/m-1 is at version 2 and recorded"),
    (changed("audits", is_audit, state="submitted"), f"{AUDIT} was decided and is not accepted"),
    (twice("events", is_type(checks.ISSUED)), f"{AUDIT} was decided 2 times"),
    (twice("events", is_type(checks.ISSUED)), "number 10001 was issued 2 times"),
    (without("events", is_type(checks.REFUSED)), "is decided and no decision was told"),
    (without("cases", is_audit), f"{AUDIT} was accepted and has no case"),
    (without("cases", is_audit), "certificate 10001 rests on no decision"),
    (
        changed("rule_sets", lambda _: True, hash="sha256:other"),
        f"{AUDIT} was decided by rule set 2, which is not that",
    ),
    (changed("rule_sets", lambda _: True, effective_from="2199-01-01"), f"{AUDIT} was decided by rule set 2, which is"),
    (twice("certificates", is_audit), "2 certificates with number 10001"),
    (
        twice("certificates", lambda c: c["number"] == 10_002, number=10_003, audit_id="other"),
        "2 valid certificates for m-2-works, COC",
    ),
    (without("events", is_type(checks.EXPIRED)), "certificate 10001: 0 expiries told, 1 due"),
    (twice("events", is_type(checks.EXPIRED)), "certificate 10001: 2 expiries told, 1 due"),
    (twice("notices", is_audit, _id="ntc-2"), "2 notices on"),
    (without("notices", is_audit), "is missing"),
    (changed("notices", is_audit, state="dead"), "is dead"),
    (twice("notices", is_audit, contact_id="c-9", _id="ntc-2", state="pending"), "and not due"),
    (twice("events", is_type("notification.notice_sent.v1")), "was announced as sent 2 times"),
]


@pytest.mark.parametrize(("spoil", "sentence"), SPOILED, ids=[sentence for _, sentence in SPOILED])
def test_they_see_what_is_wrong(good: Picture, spoil: Callable[[Picture], dict[str, Any]], sentence: str) -> None:
    spoiled = dataclasses.replace(good, **spoil(good))

    assert [found for found in checks.at_rest(spoiled) if sentence in found]


def test_they_see_a_case_that_need_not_wait(good: Picture) -> None:
    waiting = next(case for case in good.cases if case["state"] == "held")
    audits = copy.deepcopy(good.audits)
    for audit in audits:
        for nonconformity in audit["nonconformities"]:
            nonconformity["plan_state"] = "approved"
    for case, state in ((waiting, "held"), (waiting | {"state": "awaiting_decision"}, "awaiting_decision")):
        cases = [case if c["_id"] == case["_id"] else c for c in good.cases]
        found = checks.at_rest(dataclasses.replace(good, audits=audits, cases=cases))

        assert [f for f in found if f"{case['_id']} is {state}" in f and "need not wait" in f]


def test_an_event_that_gets_a_new_id_with_each_repetition_tells_people_twice(system: System) -> None:
    publish = system.bus.publish

    def with_a_new_id_each_time(row: dict[str, Any]) -> None:
        publish(row)
        if row["type"] == checks.ISSUED:
            publish(row | {"_id": "another", "body": row["body"].replace(row["_id"].encode(), b"another")})

    system.bus.publish = with_a_new_id_each_time  # type: ignore[method-assign]
    a_day(system)

    assert [f for f in checks.at_rest(picture_of(system)) if "the notice on another" in f and "not due" in f]


def test_a_relay_that_marks_without_publishing_loses_messages(system: System) -> None:
    system.bus.publish = lambda _row: None  # type: ignore[method-assign]
    people.change_membership(system, "m-1", "register")
    people.register_sites(system)
    people.change_membership(system, "m-1", "activate")
    system.settle()

    assert [f for f in checks.always(picture_of(system)) if "neither processed nor waiting for certification" in f]


def test_an_inbox_that_is_kept_when_the_rest_is_taken_back_loses_cases(system: System) -> None:
    database = system.processes["certification"].database
    restore = database.restore

    def but_for_the_inbox(snapshot: Any) -> None:
        restore({**snapshot, "inbox": dict(database["inbox"].kept)})

    people.accredit(system)
    people.change_membership(system, "m-1", "register")
    people.register_sites(system)
    database.restore = but_for_the_inbox  # type: ignore[method-assign]
    certify(system, 1, "m-1-works", "conforming")
    for name, move in iter(lambda: next(iter(system.moves()), (None, None)), (None, None)):
        move(fault=Fault.CRASH_BEFORE_COMMIT if name and name.startswith("deliver certification") else Fault.NONE)

    assert f"{AUDIT} was accepted and has no case" in checks.at_rest(picture_of(system))


def test_a_change_that_overwrites_another_is_seen(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = MemoryCollection.replace_one
    unchecked = lambda self, filter, *rest, **options: replace(self, {"_id": filter["_id"]}, *rest, **options)  # noqa: E731
    monkeypatch.setattr(MemoryCollection, "replace_one", unchecked)
    people.change_membership(system, "m-1", "register")
    people.register_sites(system)

    people.change_membership(
        system, "m-1", "activate", meanwhile=lambda: people.change_membership(system, "m-1", "activate")
    )

    assert "organisations/m-1 went from version 2 to 2" in checks.always(picture_of(system))


def test_a_number_that_is_given_again_is_seen(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    a_day(system)
    monkeypatch.setattr(UnitOfWork, "next_number", lambda *_, **__: 10_001)
    certify(system, 5, "m-1-mill", "conforming")
    system.settle()

    assert [f for f in checks.always(picture_of(system)) if f.startswith("given up: certification.")]


def test_deadlines_that_a_restart_forgets_leave_cases_waiting(system: System) -> None:
    people.accredit(system)
    people.sign_mandate(system, 0, from_day=system.clock.today())
    people.change_membership(system, "m-1", "register")
    people.register_sites(system)
    certify(system, 1, "m-1-works", "conforming")
    system.settle()
    people.change_membership(system, "m-1", "activate")
    for _ in range(100):
        system.processes["certification"].database["deadlines"].kept.clear()
        if not system.moves():
            break
        system.moves()[0][1]()

    assert [f for f in checks.at_rest(picture_of(system)) if f"{AUDIT} is awaiting_member" in f and "need not" in f]


def test_decisions_of_two_days_with_two_rule_sets_are_seen_to_be_right(system: System) -> None:
    people.accredit(system)
    for action in ("register", "activate"):
        people.change_membership(system, "m-1", action)
    people.register_sites(system)
    people.sign_mandate(system, 0, from_day=system.clock.today())
    certify(system, 1, "m-1-works", "conforming")
    system.settle()
    people.publish_rule_set(system, from_day=system.clock.today() + datetime.timedelta(days=1))
    people.sign_mandate(system, 0, from_day=system.clock.today())
    system.go_on(datetime.timedelta(days=1))
    certify(system, 2, "m-1-mill", "conforming")
    system.settle()

    picture = picture_of(system)

    assert checks.at_rest(picture) == []
    assert [case["evaluation"]["rule_set"] for case in picture.cases] == [2, 3]
