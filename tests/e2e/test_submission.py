"""Reports come in by call or by message, are returned, submitted again and accepted, and plans are approved later."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pika
import pytest

from touchstone.rpc.blocking import open_connection
from touchstone_contracts.errors import (
    AlreadyExists,
    DecisionNotImpartial,
    IllegalTransition,
    InvalidReport,
    Refusal,
)
from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT, Speaker
from touchstone_devkit.demo.scheme import Scheme, decision_events
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.eventually import eventually

TIMEOUT_S = 30
CONFORMING = "a minor, plan approved"


def submit_by_message(scheme: Scheme, report: dict[str, Any], token: str | None, message_id: str | None = None) -> str:
    message_id = message_id or uuid.uuid4().hex
    properties = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        message_id=message_id,
        headers={"authorization": token} if token else {},
    )
    with open_connection(scheme.calls_uri) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(
            "assessment.intake", "", json.dumps({"report": report}).encode(), properties, mandatory=True
        )
    return message_id


def answer_to(scheme: Scheme, message_id: str) -> dict[str, Any]:
    """The event by which assessment answered a message."""

    def answer() -> dict[str, Any] | None:
        return next((m for m in scheme.wire_tap.messages if m.get("causationid") == message_id), None)

    return eventually(answer, within_s=TIMEOUT_S)  # type: ignore[return-value]


def body_token(scheme: Scheme, world: World) -> str:
    return scheme.token("assessor", cab=world.case.body_id, sub=world.body.sub)


def test_a_report_handed_in_by_message_becomes_a_certificate(scheme: Scheme, new_world: Callable[[str], World]) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, world)

    answer = answer_to(scheme, submit_by_message(scheme, world.report(), body_token(scheme, world)))
    scheme.register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=answer["data"]["audit_id"])

    assert answer["type"] == "assessment.audit_report_submitted.v1"
    (decision,) = eventually(lambda: decision_events(scheme.wire_tap, answer["data"]["audit_id"]), within_s=TIMEOUT_S)
    assert decision["type"] == "certification.certificate_issued.v1"


def test_a_report_refused_by_message_gets_the_errors_that_a_call_would_get(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world("five faults in the report")
    stage(scheme.register, world)

    answer = answer_to(scheme, submit_by_message(scheme, world.report(), body_token(scheme, world)))

    with pytest.raises(InvalidReport) as refusal:
        scheme.register.call(world.body, "assessment.submit_audit_report", report=world.report())
    assert answer["type"] == "assessment.audit_report_refused.v1"
    assert answer["data"]["code"] == "invalid_report"
    by_call = [(error.path, error.code, error.message) for error in refusal.value.errors]
    assert [(p["path"], p["code"], p["message"]) for p in answer["data"]["problems"]] == by_call


def test_a_message_that_comes_twice_is_one_submission_and_answered_twice_by_one_event(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, world)
    token = body_token(scheme, world)

    message_id = submit_by_message(scheme, world.report(), token)
    answer = answer_to(scheme, message_id)
    submit_by_message(scheme, world.report(), token, message_id)

    answers = eventually(
        lambda: [m for m in scheme.wire_tap.messages if m.get("causationid") == message_id][1:], within_s=TIMEOUT_S
    )
    assert answers == [answer] and answer["type"] == "assessment.audit_report_submitted.v1"


def test_a_returned_report_is_submitted_again_as_the_same_audit(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, world)
    call = scheme.register.call
    audit_id = call(world.body, "assessment.submit_audit_report", report=world.report())["audit_id"]
    call(SECRETARIAT, "assessment.return_audit_report", audit_id=audit_id, reasons=["Evidence for 6.5 is missing."])

    again = call(world.body, "assessment.submit_audit_report", report=world.conforming())
    call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)

    assert again["audit_id"] == audit_id
    eventually(lambda: decision_events(scheme.wire_tap, audit_id), within_s=TIMEOUT_S)
    case = call(SECRETARIAT, "certification.get_case", case_id=audit_id)
    assert case["row"] == "7"


def test_what_the_register_does_not_say_is_refused_with_its_paths(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world, other = new_world(CONFORMING), new_world(CONFORMING)
    for one in (world, other):
        stage(scheme.register, one)
    theirs, report = other.report(), world.report()
    wrong = {
        "a slip in the member's id": {"member_id": report["member_id"] + "x"},
        "another member's entity": {"entity": theirs["entity"], "scope": theirs["scope"]},
        "half of the activities": {"scope": report["scope"] | {"activities": report["scope"]["activities"][:1]}},
        "nobody's facility": {
            "scope": report["scope"] | {"facilities": [{"id": "no-1", "name": "No", "country": "DE"}]}
        },
    }

    found = {}
    for what, changes in wrong.items():
        with pytest.raises(InvalidReport) as refused:
            scheme.register.call(world.body, "assessment.submit_audit_report", report=report | changes)
        found[what] = {
            (e.path, e.code) for e in refused.value.errors if e.path.startswith(("member", "entity", "scope"))
        }

    assert found == {
        "a slip in the member's id": {("member_id", "unknown_member"), ("entity.id", "not_of_member")},
        "another member's entity": {("entity.id", "not_of_member")},
        "half of the activities": {("scope.activities", "activity_missing")},
        "nobody's facility": {("scope.facilities[0].id", "unknown_facility")},
    }


def test_a_message_that_names_nobodys_facility_is_taken_and_returned_once_that_is_certain(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, world)
    report = world.report()
    report["scope"]["facilities"].append({"id": "no-such-facility", "name": "Nowhere", "country": "DE"})
    audit_id = f"{report['body_id']}.{report['report_id']}".lower()

    submit_by_message(scheme, report, body_token(scheme, world))

    def told(kind: str) -> list[dict[str, Any]]:
        return [m["data"] for m in scheme.wire_tap.messages if m["type"] == kind and m["subject"] == audit_id]

    (taken,) = eventually(lambda: told("assessment.audit_report_submitted.v1"), within_s=TIMEOUT_S)
    (returned,) = eventually(lambda: told("assessment.audit_report_returned.v1"), within_s=2 * TIMEOUT_S)
    assert [word["target"] for word in taken["waits_for"]] == ["scope.facilities[1].id"]
    assert returned["reasons"] == ["scope.facilities[1].id: 'no-such-facility' is no facility in the register."]


def test_a_report_is_not_accepted_twice_nor_submitted_while_it_waits(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, world)
    call = scheme.register.call
    audit_id = call(world.body, "assessment.submit_audit_report", report=world.report())["audit_id"]

    with pytest.raises(AlreadyExists):
        call(world.body, "assessment.submit_audit_report", report=world.report())
    with pytest.raises(IllegalTransition):
        call(world.body, "assessment.submit_audit_report", report=world.conforming())
    call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)
    with pytest.raises(IllegalTransition):
        call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)


def test_nobody_accepts_a_report_that_they_wrote_or_audited(scheme: Scheme, new_world: Callable[[str], World]) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, world)
    call = scheme.register.call
    audit_id = call(world.body, "assessment.submit_audit_report", report=world.report())["audit_id"]
    author = Speaker("secretariat", sub=world.body.sub)
    auditor = Speaker("secretariat", sub=world.case.report["team"][1]["auditor_id"])

    for person in (author, auditor):
        with pytest.raises(DecisionNotImpartial):
            call(person, "assessment.accept_audit_report", audit_id=audit_id)

    assert call(SECRETARIAT, "assessment.get_audit", audit_id=audit_id)["state"] == "submitted"


def test_a_held_case_is_certified_once_its_plan_is_approved(scheme: Scheme, new_world: Callable[[str], World]) -> None:
    world = new_world("a minor, plan not approved")
    held = scheme.travel(world)

    scheme.register.call(
        world.body,
        "assessment.review_corrective_action_plan",
        audit_id=held.audit_id,
        criterion="9.1",
        plan_state="approved",
    )

    def issued() -> list[dict[str, Any]]:
        return scheme.wire_tap.about(str(held.audit_id), "certification.certificate_issued.v1")

    (certificate,) = eventually(issued, within_s=TIMEOUT_S)
    assert certificate["data"]["level"] == "full"
    assert [d["outcome"] for d in held.decisions] == ["held"]


def test_a_held_case_is_refused_once_its_plan_is_overdue(scheme: Scheme, new_world: Callable[[str], World]) -> None:
    world = new_world("a minor, plan not approved")
    report = world.report()
    finding = next(f for f in report["findings"] if f["criterion"] == "9.1")
    finding["plan"] = {"state": "submitted", "due_on": report["audited_until"]}
    stage(scheme.register, world)

    audit_id = scheme.register.call(world.body, "assessment.submit_audit_report", report=report)["audit_id"]
    scheme.register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)

    (decision,) = eventually(lambda: decision_events(scheme.wire_tap, audit_id), within_s=TIMEOUT_S)
    assert decision["type"] == "certification.certification_refused.v1"
    assert [reason["rule"] for reason in decision["data"]["reasons"]] == ["5b"]


def test_a_second_certificate_for_the_same_entity_and_scope_is_held(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    first = scheme.travel(world)
    call = scheme.register.call

    second = call(world.body, "assessment.submit_audit_report", report=world.report(report_id="second"))["audit_id"]
    call(SECRETARIAT, "assessment.accept_audit_report", audit_id=second)

    (decision,) = eventually(lambda: decision_events(scheme.wire_tap, second), within_s=TIMEOUT_S)
    assert decision["type"] == "certification.certification_held.v1"
    numbers = [
        c["number"]
        for c in scheme.register.every(None, "certification.list_certificates", member_id=world.case.member_id)
    ]
    assert numbers == [first.certificate["number"]]  # type: ignore[index]


def test_what_is_unknown_is_not_found_and_says_nothing_more(scheme: Scheme) -> None:
    for speaker, method, arguments in (
        (None, "certification.get_certificate", {"number": 999_999_999}),
        (SECRETARIAT, "certification.get_case", {"case_id": "nobody.nothing"}),
        (SECRETARIAT, "assessment.get_audit", {"audit_id": "nobody.nothing"}),
        (OPERATOR, "notification.get_notice", {"notice_id": "nothing"}),
    ):
        with pytest.raises(Refusal) as refusal:
            scheme.register.call(speaker, method, **arguments)
        assert refusal.value.code == "not_found"
