"""Assessment on a real broker and database: calls, messages, events, and who may see what."""

import datetime
import json
import threading
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta

from assessment.entrypoints.audits import INTAKE
from touchstone_contracts.envelope import unwrap
from touchstone_contracts.events.assessment import (
    AuditAccepted,
    AuditReportRefused,
    AuditReportReturned,
    AuditReportSubmitted,
    BodyAccredited,
    CorrectiveActionPlanReviewed,
    StandardPublished,
)
from touchstone_contracts.events.membership import FacilityRecorded
from touchstone_contracts.reference import canonical, hash_of
from touchstone_contracts.roles import MEMBER, OPERATOR
from touchstone_devkit.eventually import eventually
from touchstone_testing.reference_data import a_later_standard


def codes(reply: dict[str, Any]) -> list[tuple[str, str]]:
    return [(error["path"], error["code"]) for error in reply["error"]["errors"]]


def a_facility(facility_id: str) -> FacilityRecorded:
    return FacilityRecorded(
        facility_id=facility_id,
        entity_id="qatalum-mesaieed",
        member_id="qatalum",
        name="Third line",
        country="QA",
        activities=["SML", "CST"],
    )


def test_a_report_goes_from_submission_to_an_event_that_certification_can_read(
    accredited: Any, issuer: Any, secretariat: str, report: dict[str, Any]
) -> None:
    submitted = accredited.call("submit_audit_report", issuer.assessor(), report=report)
    accepted = accredited.call("accept_audit_report", secretariat, audit_id="dnv.r-1")

    assert submitted["result"]["state"] == "submitted"
    assert accepted["result"] == submitted["result"] | {"state": "accepted"}
    heard = accredited.heard(AuditReportSubmitted)
    assert heard["subject"] == "dnv.r-1" and heard["sequence"] == 1
    envelope, event = unwrap(accredited.heard(AuditAccepted), expected=AuditAccepted)
    assert (envelope.subject, envelope.sequence) == ("dnv.r-1", 2)
    assert event.report_hash == submitted["result"]["report_hash"]
    assert (event.accepted_by, event.submitted_by, event.body_name) == ("secretariat-1", "dnv-reports", "DNV")
    assert event.nonconformities[0].plan_due_on == event.audited_until + relativedelta(months=1)


def test_a_report_with_faults_is_refused_with_all_of_them_and_leaves_nothing(
    accredited: Any, issuer: Any, report: dict[str, Any]
) -> None:
    report["findings"][0]["rating"] = "good"
    report["findings"].pop()
    report["team"][1]["auditor_id"] = "a-stranger"
    report["entity"]["country"] = "Qatar"
    report["shoe_size"] = 43

    reply = accredited.call("submit_audit_report", issuer.assessor(), report=report)

    assert reply["error"]["code"] == "invalid_report"
    assert codes(reply) == [
        ("entity.country", "invalid_country"),
        ("shoe_size", "unknown_field"),
        ("team[1].auditor_id", "auditor_not_accredited"),
        ("findings[0].rating", "unknown_rating"),
        ("findings", "missing_criterion"),
    ]
    assert accredited.call("list_audits", issuer.assessor())["result"] == {"items": [], "next": None}


def test_a_returned_report_is_announced_and_comes_again_under_its_id(
    accredited: Any, issuer: Any, secretariat: str, report: dict[str, Any]
) -> None:
    accredited.call("submit_audit_report", issuer.assessor(), report=report)
    accredited.call("return_audit_report", secretariat, audit_id="dnv.r-1", reasons=["Say more on 1.1."])
    report["findings"][0]["comment"] = "More."

    again = accredited.call("submit_audit_report", issuer.assessor(), report=report)

    assert again["result"]["audit_id"] == "dnv.r-1"
    assert accredited.heard(AuditReportReturned)["data"]["reasons"] == ["Say more on 1.1."]
    shown = accredited.call("get_audit", issuer.assessor(), audit_id="dnv.r-1")["result"]
    assert shown["report"] == report
    assert len(shown["submissions"]) == 2


def test_an_accepted_report_is_not_taken_twice(
    accredited: Any, issuer: Any, secretariat: str, report: dict[str, Any]
) -> None:
    accredited.call("submit_audit_report", issuer.assessor(), report=report)
    accredited.call("accept_audit_report", secretariat, audit_id="dnv.r-1")

    same = accredited.call("submit_audit_report", issuer.assessor(), report=report)
    other = accredited.call("submit_audit_report", issuer.assessor(), report=report | {"recommendation": "certify "})
    different = report | {"maturity": dict.fromkeys(report["maturity"], "low")}

    assert same["error"]["code"] == "already_exists"
    assert other["error"]["code"] == "invalid_report"
    reply = accredited.call("submit_audit_report", issuer.assessor(), report=different)
    assert reply["error"]["code"] == "illegal_transition"


def test_who_wrote_a_report_does_not_accept_it(accredited: Any, issuer: Any, report: dict[str, Any]) -> None:
    accredited.call("submit_audit_report", issuer.assessor(), report=report)

    reply = accredited.call("accept_audit_report", issuer.token("secretariat", sub="dnv-reports"), audit_id="dnv.r-1")

    assert reply["error"]["code"] == "decision_not_impartial"


def test_a_body_and_a_member_never_see_anothers_audit(accredited: Any, issuer: Any, report: dict[str, Any]) -> None:
    accredited.call("submit_audit_report", issuer.assessor(), report=report)
    own = [issuer.assessor(), issuer.token(MEMBER, member="qatalum")]
    others = [issuer.assessor("ecv"), issuer.token(MEMBER, member="alba")]

    for token in own:
        assert accredited.call("get_audit", token, audit_id="dnv.r-1")["error"] is None
        assert len(accredited.call("list_audits", token)["result"]["items"]) == 1
    for token in others:
        assert accredited.call("get_audit", token, audit_id="dnv.r-1")["error"]["code"] == "not_found"
        assert accredited.call("list_audits", token)["result"]["items"] == []
    foreign = accredited.call("submit_audit_report", issuer.assessor("ecv"), report=report)
    assert codes(foreign) == [("body_id", "not_your_body")]


def test_a_plan_is_reviewed_by_its_own_body(
    accredited: Any, issuer: Any, secretariat: str, report: dict[str, Any]
) -> None:
    accredited.call("submit_audit_report", issuer.assessor(), report=report)
    accredited.call("accept_audit_report", secretariat, audit_id="dnv.r-1")
    review = {"audit_id": "dnv.r-1", "criterion": "2.4", "plan_state": "approved"}

    foreign = accredited.call("review_corrective_action_plan", issuer.assessor("ecv"), **review)
    own = accredited.call("review_corrective_action_plan", issuer.assessor(), **review)

    assert foreign["error"]["code"] == "not_found"
    assert own["error"] is None
    heard = accredited.heard(CorrectiveActionPlanReviewed)
    assert (heard["data"]["plan_state"], heard["sequence"]) == ("approved", 3)


def test_a_past_report_is_imported_with_what_was_published(
    accredited: Any, registrar: str, report: dict[str, Any]
) -> None:
    report |= {"audited_from": "2022-11-28", "audited_until": "2022-12-16"}
    history = {"issued_on": "2023-01-26", "number": 195, "source": "Summary report", "notify": True}

    reply = accredited.call("import_audit_report", registrar, report=report, history=history)

    assert reply["result"]["state"] == "accepted"
    heard = accredited.heard(AuditAccepted)["data"]
    assert heard["history"] == history | {"certified_since": None}
    assert heard["accepted_at"] == "2023-01-26T12:00:00+00:00"
    assert accredited.next_event(AuditReportSubmitted) is None


def test_a_report_by_message_becomes_an_audit_and_a_repeated_message_is_answered_by_the_same_event(
    accredited: Any, issuer: Any, report: dict[str, Any]
) -> None:
    accredited.hand_in({"report": report}, message_id="m-1", token=issuer.assessor())
    first = accredited.heard(AuditReportSubmitted)
    accredited.hand_in({"report": report, "idempotency_key": "k"}, message_id="m-1", token=issuer.assessor())
    again = accredited.heard(AuditReportSubmitted)

    assert (first["data"]["report_id"], first["causationid"]) == ("R-1", "m-1")
    assert again == first
    accredited.hand_in({"report": report}, message_id="m-2", token=issuer.assessor())
    assert accredited.heard(AuditReportRefused)["data"]["code"] == "already_exists"
    eventually(lambda: accredited.waiting(INTAKE) == 0)
    assert accredited.next_event(AuditReportRefused) is accredited.next_event(AuditReportSubmitted) is None


def test_another_report_under_a_used_message_id_is_refused_as_a_call_would_be(
    accredited: Any, issuer: Any, report: dict[str, Any]
) -> None:
    other = report | {"report_id": "R-2"}
    accredited.hand_in({"report": report}, message_id="m-1", token=issuer.assessor())
    accredited.heard(AuditReportSubmitted)
    accredited.hand_in({"report": other}, message_id="m-1", token=issuer.assessor())
    by_message = accredited.heard(AuditReportRefused)
    first = accredited.call("submit_audit_report", issuer.assessor(), report=report, idempotency_key="m-1")
    by_call = accredited.call("submit_audit_report", issuer.assessor(), report=other, idempotency_key="m-1")

    assert first["error"]["code"] == "already_exists"  # refusals are not stored: the key is free
    assert by_call["error"] is None
    assert (by_message["subject"], by_message["data"]["code"]) == ("m-1", "idempotency_conflict")
    assert (by_message["data"]["report_id"], by_message["data"]["body_id"]) == ("R-2", "dnv")


def test_a_refused_report_may_come_again_under_its_message_id(
    accredited: Any, issuer: Any, report: dict[str, Any]
) -> None:
    wrong = report | {"recommendation": "certify "}
    for _ in range(2):
        accredited.hand_in({"report": wrong}, message_id="m-1", token=issuer.assessor())
    refusals = [accredited.heard(AuditReportRefused) for _ in range(2)]
    accredited.hand_in({"report": report}, message_id="m-1", token=issuer.assessor())

    assert accredited.heard(AuditReportSubmitted)["causationid"] == "m-1"
    assert refusals[0] == refusals[1]


def test_a_body_gets_no_answer_of_another_whose_subject_is_the_same(
    accredited: Any, issuer: Any, report: dict[str, Any]
) -> None:
    dnv, ecv = (issuer.token("assessor", sub="reports", cab=body_id) for body_id in ("dnv", "ecv"))
    first = accredited.call("submit_audit_report", dnv, report=report, idempotency_key="k")
    accredited.hand_in({"report": report | {"report_id": "R-2"}}, message_id="m-1", token=dnv)
    accredited.heard(AuditReportSubmitted), accredited.heard(AuditReportSubmitted)

    others = accredited.call("submit_audit_report", ecv, report=report, idempotency_key="k")
    accredited.hand_in({"report": report | {"report_id": "R-2"}}, message_id="m-1", token=ecv)

    assert codes(others) == [("body_id", "not_your_body")]
    assert accredited.heard(AuditReportRefused)["data"]["problems"][0]["code"] == "not_your_body"
    assert accredited.call("submit_audit_report", dnv, report=report, idempotency_key="k") == first


@pytest.mark.parametrize("name", ["a\0", "a\nb", "\u202e"])
def test_a_message_of_somebody_whose_name_cannot_be_shown_is_refused_at_once(
    accredited: Any, issuer: Any, report: dict[str, Any], name: str
) -> None:
    token = issuer.token("assessor", sub=name, cab="dnv")

    accredited.hand_in({"report": report}, message_id="m-1", token=token)

    assert accredited.heard(AuditReportRefused)["data"]["code"] == "unauthenticated"
    assert accredited.call("submit_audit_report", token, report=report)["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("body", "code", "problems"),
    [
        ({"report": {}}, "invalid_report", 14),
        ({"report": None}, "invalid_report", 1),
        ({}, "invalid_request", 1),
        ({"report": {}, "colour": "red"}, "invalid_request", 1),
    ],
)
def test_a_report_by_message_that_is_not_taken_is_answered_by_an_event(
    accredited: Any, issuer: Any, body: Any, code: str, problems: int
) -> None:
    accredited.hand_in(body, message_id="m-1", token=issuer.assessor())

    heard = accredited.heard(AuditReportRefused)
    assert (heard["subject"], heard["data"]["body_id"], heard["data"]["code"]) == ("m-1", "dnv", code)
    assert len(heard["data"]["problems"]) == problems


def test_a_rating_that_stands_twice_is_named_in_the_answer_to_a_message(
    accredited: Any, issuer: Any, report: dict[str, Any]
) -> None:
    body = json.dumps({"report": report}).replace('"rating":', '"rating": "major_nonconformity", "rating":', 1)

    accredited.hand_in(body.encode(), message_id="m-1", token=issuer.assessor())

    heard = accredited.heard(AuditReportRefused)["data"]
    assert (heard["code"], heard["body_id"]) == ("malformed_request", "dnv")
    assert [problem["path"] for problem in heard["problems"]] == ["report.findings[0].rating"]


@pytest.mark.parametrize("role", [None, "secretariat"])
def test_a_message_of_nobody_or_of_the_wrong_role_is_refused(
    accredited: Any, issuer: Any, report: dict[str, Any], role: str | None
) -> None:
    accredited.hand_in({"report": report}, message_id="m-1", token=role and issuer.token(role))

    heard = accredited.heard(AuditReportRefused)["data"]
    assert (heard["code"], heard["body_id"]) == ("forbidden" if role else "unauthenticated", None)


def test_an_accredited_body_is_announced(accredited: Any) -> None:
    heard = accredited.heard(BodyAccredited)

    assert (heard["subject"], heard["data"]["activities"]) == ("dnv", ["SML", "CST", "SFB", "OMS"])


def test_audits_are_listed_by_index_page_by_page(
    accredited: Any, issuer: Any, report: dict[str, Any], service: Any
) -> None:
    for number in range(3):
        accredited.call("submit_audit_report", issuer.assessor(), report=report | {"report_id": f"R-{number}"})

    first = accredited.call("list_audits", issuer.assessor(), state="submitted", limit=2)["result"]
    rest = accredited.call("list_audits", issuer.assessor(), limit=2, after=first["next"])["result"]

    assert [item["audit_id"] for item in first["items"] + rest["items"]] == ["dnv.r-0", "dnv.r-1", "dnv.r-2"]
    assert rest["next"] is None
    resources = next(e for e in service.subextensions if type(e).__name__ == "Resources")
    asked = [{"body_id": "dnv"}, {"member_id": "qatalum"}, {"state": "submitted"}, {"body_id": "dnv", "state": "x"}]
    for filter in asked:
        plan = resources.mongo.database["audits"].find(filter).sort([("_id", 1)]).limit(2).explain()
        assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
        assert "'SORT'" not in str(plan["queryPlanner"]["winningPlan"])


def test_standards_are_open_to_every_role(accredited: Any, issuer: Any) -> None:
    token = issuer.token(MEMBER, member="alba")

    shown = accredited.call("get_standard", token, code="PS", version="2.0")["result"]

    assert len(shown["criteria"]) == 59
    assert len(accredited.call("list_standards", token)["result"]["items"]) == 3


def test_a_message_that_is_no_object_is_answered_and_kept_as_a_dead_letter(accredited: Any, issuer: Any) -> None:
    accredited.hand_in([], message_id="m-1", token=issuer.assessor())

    heard = accredited.heard(AuditReportRefused)
    assert (heard["subject"], heard["data"]["body_id"], heard["data"]["code"]) == ("m-1", "dnv", "malformed_request")
    operator = issuer.token(OPERATOR)
    (kept,) = eventually(lambda: accredited.call("list_dead_letters", operator)["result"]["items"])
    assert (kept["queue"], kept["message_id"], kept["reason"]) == (INTAKE, "m-1", "undecodable")
    assert accredited.waiting(INTAKE) == 0


def test_a_report_is_held_against_the_standard_that_was_published_for_its_day(
    accredited: Any, issuer: Any, secretariat: str, report: dict[str, Any], move_clock: Any
) -> None:
    begins = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=2)
    document = a_later_standard(begins.isoformat(), acceptance="automatic")
    published = accredited.call("publish_standard", secretariat, document=document)["result"]
    first = accredited.call("submit_audit_report", issuer.assessor(), report=report)["result"]

    move_clock(2)
    shown = {"id": "PS-3.0"}
    eventually(lambda: accredited.call("get_published_standard", secretariat, **shown)["result"]["version"] == 2)
    second = accredited.call("submit_audit_report", issuer.assessor(), report=report | {"report_id": "R-2"})["result"]

    assert (first["state"], second["state"]) == ("submitted", "accepted")
    kept = accredited.call("get_audit", issuer.assessor(), audit_id=second["audit_id"])["result"]["standard_hash"]
    assert kept == published["hash"] == hash_of(canonical(document))
    heard = accredited.heard(StandardPublished)
    assert (heard["subject"], heard["data"]["hash"]) == ("PS-3.0/2", published["hash"])


def test_an_unknown_facility_is_refused_once_membership_is_known_to_have_told_all_and_taken_before(
    accredited: Any, issuer: Any, membership: Any, secretariat: str, report: dict[str, Any]
) -> None:
    report["scope"]["facilities"].append({"id": "qatalum-9", "name": "Third line", "country": "QA"})

    refused = accredited.call("submit_audit_report", issuer.assessor(), report=report)
    membership.beats = False
    taken = accredited.call("submit_audit_report", issuer.assessor(), report=report)
    too_early = accredited.call("accept_audit_report", secretariat, audit_id="dnv.r-1")

    assert codes(refused) == [("scope.facilities[1].id", "unknown_facility")]
    (named,) = taken["result"]["waits_for"]
    assert (named["target"], named["who"]) == ("scope.facilities[1].id", "membership")
    assert (too_early["error"]["code"], too_early["error"]["retryable"]) == ("not_known_yet", True)

    membership.beats = True
    reasons = unwrap(eventually(lambda: accredited.next_event(AuditReportReturned), within_s=60))[1].reasons
    assert reasons == ["scope.facilities[1].id: 'qatalum-9' is no facility in the register."]


def test_a_facility_that_is_registered_while_its_report_comes_in_is_known(
    accredited: Any, issuer: Any, membership: Any, secretariat: str, report: dict[str, Any]
) -> None:
    report["scope"]["facilities"].append({"id": "qatalum-9", "name": "Third line", "country": "QA"})
    token = issuer.assessor()
    membership.beats = False
    line = threading.Timer(0.5, lambda: membership.tell(a_facility("qatalum-9")))
    line.start()

    taken = accredited.call("submit_audit_report", token, report=report)

    line.join()
    assert taken["error"] is None and taken["result"]["waits_for"] == []
