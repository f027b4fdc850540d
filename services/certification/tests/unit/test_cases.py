"""Cases from acceptance to decision, through the service's own handlers over a database in memory."""

import datetime
from typing import Any

import pytest

from touchstone_chassis.callers import Caller
from touchstone_contracts.errors import AlreadyExists, DecisionNotImpartial, IllegalTransition, NotFound
from touchstone_contracts.values import History, PlanState, Scope, Standard

TODAY = datetime.date(2026, 11, 22)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def ready(office: Any, build: Any) -> Any:
    """An office with an active member and a mandate."""
    office.deliver(build.activated())
    office.sign_mandate()
    office.run_due()
    return office


def reasons(office: Any, case_id: str = "body.r-1") -> list[str]:
    return [reason["code"] for reason in office.case(case_id)["reasons"]]


def test_an_accepted_audit_under_a_mandate_becomes_a_certificate_at_once(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())

    (issued,) = ready.events()
    assert (issued.number, issued.level.value, issued.audit_id) == (10_001, "full", "body.r-1")
    assert (issued.issued_on, issued.expires_on) == (TODAY, datetime.date(2029, 11, 21))
    assert issued.decided_by == "rule set 1, mandated by secretariat-1" and issued.notify
    assert ready.case()["state"] == "decided"
    assert ready.case()["decision"]["certificate_number"] == 10_001


def test_an_audit_that_is_delivered_again_or_accepted_twice_is_decided_once(ready: Any, build: Any) -> None:
    for id in ("message-1", "message-1", "message-2"):
        ready.deliver(build.accepted(), id=id)
        ready.run_due()

    assert len(ready.events()) == 1 and len(ready.certificates()) == 1


def test_an_audit_whose_member_has_not_arrived_waits_and_is_decided_when_it_does(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.accepted())
    office.run_due()

    waiting, told = office.case(), office.events()
    office.deliver(build.activated())
    office.run_due()

    assert (waiting["state"], waiting["waits"]["for"], told) == ("awaiting_member", "member", [])
    assert office.case()["state"] == "decided"


def test_a_member_that_arrives_while_its_case_is_being_opened_is_not_missed(
    office: Any, build: Any, deliver_in: Any
) -> None:
    office.sign_mandate()
    office.run_due()
    service, unit = office.begin()
    deliver_in(service, build.accepted(), 1)
    office.deliver(build.activated())
    office.run_due()

    unit.commit()
    office.run_due()

    assert office.case()["state"] == "decided"


def test_a_mandate_that_is_signed_while_a_case_is_being_opened_is_not_missed(
    office: Any, build: Any, deliver_in: Any
) -> None:
    office.deliver(build.activated())
    office.run_due()
    service, unit = office.begin()
    deliver_in(service, build.accepted(), 1)
    office.sign_mandate()
    office.run_due()

    unit.commit()
    office.run_due()

    assert office.case()["state"] == "decided"


def test_a_suspended_member_holds_the_case_until_it_is_reinstated(ready: Any, build: Any) -> None:
    ready.deliver(build.suspended(), sequence=2)
    ready.deliver(build.accepted())
    ready.run_due()
    held, codes = ready.events(), reasons(ready)

    ready.deliver(build.reinstated(), sequence=3)
    ready.run_due()

    assert (codes, [type(e).__name__ for e in held]) == (["membership_not_active"], ["CertificationHeld"])
    assert [type(e).__name__ for e in ready.events()] == ["CertificationHeld", "CertificateIssued"]


def test_the_newest_word_on_a_membership_counts_in_whatever_order_it_comes(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.reinstated(), sequence=3)
    office.deliver(build.accepted())
    office.run_due()
    before = office.case()["state"]

    office.deliver(build.activated(), sequence=1)
    office.deliver(build.suspended(), sequence=2)
    office.run_due()

    assert (before, office.case()["state"]) == ("awaiting_member", "decided")


def test_a_suspension_from_a_later_day_does_not_hold_a_case_today(ready: Any, build: Any) -> None:
    ready.deliver(build.suspended(TODAY + DAY), sequence=2)
    ready.deliver(build.accepted())

    assert ready.case()["state"] == "decided"


def test_a_membership_that_begins_later_holds_the_case_until_that_day(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.activated(joined_on=TODAY + 3 * DAY))
    office.deliver(build.accepted())
    office.run_due()
    before = reasons(office)

    office.go_to(TODAY + 3 * DAY)

    assert before == ["membership_not_active"]
    assert office.case()["decision"]["decided_on"] == "2026-11-25"


def test_without_a_mandate_a_case_waits_for_a_person_and_says_what_the_rules_propose(office: Any, build: Any) -> None:
    office.deliver(build.activated())
    office.deliver(build.accepted())
    office.run_due()

    case = office.case()

    assert (case["state"], case["waits"]["proposed"], case["decision"]) == ("awaiting_decision", "full", None)
    assert office.events() == []


def test_a_person_of_the_secretariat_decides_even_one_who_accepted_the_report(office: Any, build: Any) -> None:
    office.deliver(build.activated())
    office.deliver(build.accepted())

    answer = office.call("decide_case", {"case_id": "body.r-1"})

    assert answer["decision"]["decided_by"] == "secretariat-1"
    assert answer["decision"]["decider"] == {"kind": "person", "id": "secretariat-1"}
    assert office.events()[0].decided_by == "secretariat-1"


@pytest.mark.parametrize("subject", ["auditor-1", "body-reports"])
def test_whoever_took_part_in_the_audit_or_wrote_the_report_does_not_decide(
    office: Any, build: Any, subject: str
) -> None:
    office.deliver(build.activated())
    office.deliver(build.accepted())

    with pytest.raises(DecisionNotImpartial):
        office.call("decide_case", {"case_id": "body.r-1"}, Caller(subject=subject, role="secretariat"))


def test_a_mandate_signed_by_one_of_the_audit_team_gives_no_authority(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted(team=["secretariat-1"], accepted_by="configuration"))

    assert ready.case()["state"] == "awaiting_decision"


@pytest.mark.parametrize(
    "changed",
    [
        {"standards": [{"code": "PS", "version": "2.0"}]},
        {"valid_until": "2026-11-21"},
        {"valid_from": "2026-11-23"},
    ],
)
def test_a_mandate_for_another_standard_or_another_time_does_not_decide(
    office: Any, build: Any, changed: dict[str, Any]
) -> None:
    office.deliver(build.activated())
    office.sign_mandate(**changed)
    office.deliver(build.accepted())
    office.run_due()

    assert office.case()["state"] == "awaiting_decision"


def test_signing_a_mandate_decides_the_cases_that_waited_for_one(office: Any, build: Any) -> None:
    office.deliver(build.activated())
    for n in range(105):
        entity = type(build.accepted().entity)(id=f"works-{n}", name="Works", country="NO")
        office.deliver(build.accepted(audit_id=f"body.r-{n}", entity=entity))
    office.run_due()

    office.sign_mandate()
    office.run_due()

    assert len(office.events("CertificateIssued")) == 105
    assert len({event.number for event in office.events()}) == 105


def test_a_mandate_decides_from_its_first_day(office: Any, build: Any) -> None:
    office.deliver(build.activated())
    office.deliver(build.accepted())
    office.sign_mandate(valid_from="2026-11-24")
    office.run_due()

    office.go_to(datetime.date(2026, 11, 24))

    assert office.case()["decision"]["decided_on"] == "2026-11-24"


def test_a_mandate_is_signed_once_under_one_id(office: Any) -> None:
    office.sign_mandate()

    with pytest.raises(AlreadyExists):
        office.sign_mandate(valid_until="2027-01-01")


def test_a_minor_without_an_approved_plan_is_held_and_certified_when_the_plan_is_approved(
    ready: Any, build: Any
) -> None:
    ready.deliver(build.accepted([build.finding(plan=PlanState.SUBMITTED)]))
    ready.run_due()
    (held,) = ready.events()

    ready.deliver(build.review(), sequence=2)
    ready.run_due()

    assert ([r.code for r in held.reasons], held.until) == (["plan_not_approved"], datetime.date(2026, 12, 31))
    assert ready.case()["decision"]["row"] == "5"
    assert [type(e).__name__ for e in ready.events()] == ["CertificationHeld", "CertificateIssued"]


def test_a_plan_that_is_reviewed_before_the_case_arrives_counts(ready: Any, build: Any) -> None:
    ready.deliver(build.review(), sequence=2)
    ready.run_due()

    ready.deliver(build.accepted([build.finding(plan=PlanState.SUBMITTED)]))

    assert ready.case()["decision"]["row"] == "5"


def test_the_newest_review_counts_whichever_comes_first(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted([build.finding(plan=PlanState.SUBMITTED)]))
    ready.run_due()

    ready.deliver(build.review(state=PlanState.REJECTED), sequence=3)
    ready.deliver(build.review(state=PlanState.APPROVED), sequence=2)
    ready.run_due()

    assert ready.case()["state"] == "held"


@pytest.mark.parametrize(("rating", "row"), [("minor", "5b"), ("major", "2b")])
def test_a_case_is_refused_the_day_after_its_plan_was_due(ready: Any, build: Any, rating: str, row: str) -> None:
    due_on = datetime.date(2026, 12, 31)
    ready.deliver(build.accepted([build.finding("9.1", getattr(build, rating), PlanState.NONE, due_on)]))
    ready.run_due()

    ready.go_to(due_on)
    on_the_day = ready.case()["state"]
    ready.go_to(due_on + DAY)

    assert on_the_day == "held"
    (refused,) = ready.events("CertificationRefused")
    assert [(r.rule, r.code) for r in refused.reasons] == [(row, "plan_overdue")]
    assert refused.decided_on == due_on + DAY


def test_a_new_due_date_puts_off_the_refusal(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted([build.finding(plan=PlanState.NONE, due_on=datetime.date(2026, 12, 1))]))
    ready.run_due()
    ready.deliver(build.review(state=PlanState.REJECTED, due_on=datetime.date(2027, 1, 15)), sequence=2)
    ready.run_due()

    ready.go_to(datetime.date(2026, 12, 5))

    assert ready.case()["state"] == "held"
    assert [e.until for e in ready.events()] == [datetime.date(2026, 12, 1), datetime.date(2027, 1, 15)]


def test_a_hold_is_told_once_however_often_the_case_is_looked_at(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted([build.finding(plan=PlanState.NONE)]))
    for sequence in (2, 3):
        ready.deliver(build.review(state=PlanState.SUBMITTED), sequence=sequence)
        ready.run_due()

    assert len(ready.events("CertificationHeld")) == 1


def test_a_held_case_is_not_decided_by_a_person_either(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted([build.finding(plan=PlanState.NONE)]))

    with pytest.raises(IllegalTransition, match="held"):
        ready.call("decide_case", {"case_id": "body.r-1"})


def test_a_decided_and_an_unknown_case_are_not_decided_again(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())

    with pytest.raises(IllegalTransition):
        ready.call("decide_case", {"case_id": "body.r-1"})
    with pytest.raises(NotFound):
        ready.call("decide_case", {"case_id": "body.r-2"})


def test_a_refusal_names_its_reasons(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted(build.findings(4, build.major)))

    (refused,) = ready.events()
    assert [(r.rule, r.code) for r in refused.reasons] == [("2a", "too_many_majors")]
    assert ready.case()["outcome"] == "refused" and ready.certificates() == []


def test_a_second_audit_of_the_same_scope_is_held_while_the_certificate_is_valid_and_decided_when_it_ends(
    ready: Any, build: Any
) -> None:
    ready.deliver(build.accepted([build.finding(rating=build.major)]))
    ready.deliver(build.accepted(audit_id="body.r-2"))
    ready.run_due()
    codes = reasons(ready, "body.r-2")

    ready.go_to(datetime.date(2027, 11, 22))

    assert codes == ["certificate_exists"]
    assert [type(e).__name__ for e in ready.events()] == [
        "CertificateIssued",
        "CertificationHeld",
        "CertificateExpired",
        "CertificateIssued",
    ]
    assert [(c["number"], c["status"]) for c in ready.certificates()] == [(10_001, "expired"), (10_002, "valid")]


def test_issuing_closes_a_certificate_that_has_lapsed_by_date_in_the_same_commit(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted([build.finding(rating=build.major)]))
    ready.run_due()
    ready.clock.time = datetime.datetime(2028, 1, 1, tzinfo=datetime.UTC)

    ready.deliver(build.accepted(audit_id="body.r-2"))
    in_one_commit = [type(e).__name__ for e in ready.events()]
    ready.run_due()

    assert in_one_commit == ["CertificateIssued", "CertificateExpired", "CertificateIssued"]
    assert len(ready.events("CertificateExpired")) == 1


def test_a_chain_of_custody_case_waits_for_the_performance_standard_certificate(ready: Any, build: Any) -> None:
    coc = Standard(code="COC", version="2.0")
    ready.sign_mandate(mandate_id="mandate-2", standards=[{"code": "COC", "version": "2.0"}])
    ready.deliver(build.accepted(audit_id="body.r-2", standard=coc))
    ready.run_due()
    codes = reasons(ready, "body.r-2")

    ready.deliver(build.accepted())
    ready.run_due()

    assert codes == ["ps_certificate_missing"]
    assert ready.case("body.r-2")["state"] == "decided"


def test_a_body_sees_the_cases_of_its_own_audits_and_a_member_its_own(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())
    own = [
        Caller(subject="a", role="assessor", cab="body"),
        Caller(subject="m", role="member", member="smelter"),
        Caller(subject="o", role="operator"),
        Caller(subject="r", role="registrar"),
    ]
    others = [
        Caller(subject="a", role="assessor", cab="other"),
        Caller(subject="m", role="member", member="other"),
    ]

    for caller in own:
        assert ready.call("get_case", {"case_id": "body.r-1"}, caller)["state"] == "decided"
        assert len(ready.call("list_cases", {}, caller)["items"]) == 1
    for caller in others:
        assert ready.call("list_cases", {}, caller)["items"] == []
        with pytest.raises(NotFound):
            ready.call("get_case", {"case_id": "body.r-1"}, caller)


def test_lists_go_on_from_their_cursor(ready: Any, build: Any) -> None:
    for n in range(5):
        plant = Scope(type="business", text="Works", activities=[f"A{n}"])
        ready.deliver(build.accepted(audit_id=f"body.r-{n}", scope=plant))
    pages: list[list[int]] = []
    cases: list[str] = []

    after = None
    while not pages or after:
        answer = ready.call("list_certificates", {"limit": 2, "after": after}, None)
        pages, after = [*pages, [c["number"] for c in answer["items"]]], answer["next"]
    after = ""
    while after is not None:
        answer = ready.call("list_cases", {"limit": 2, "state": "decided", **({"after": after} if after else {})})
        cases, after = [*cases, *(c["case_id"] for c in answer["items"])], answer["next"]

    assert pages == [[10_001, 10_002], [10_003, 10_004], [10_005]]
    assert cases == [f"body.r-{n}" for n in range(5)]


def test_certificates_are_listed_by_member_standard_and_status(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())

    def numbers(**wanted: Any) -> list[int]:
        return [c["number"] for c in ready.call("list_certificates", wanted, None)["items"]]

    assert numbers(member_id="smelter") == numbers(standard="PS") == numbers(status="valid") == [10_001]
    assert numbers(member_id="other") == numbers(standard="COC") == numbers(status="expired") == []


@pytest.mark.parametrize(
    ("on", "valid", "status"),
    [
        (None, True, "valid"),
        ("2029-11-21", True, "valid"),
        ("2029-11-22", False, "expired"),
        ("2026-11-21", False, "not_yet_valid"),
    ],
)
def test_a_certificate_is_verified_on_a_day(ready: Any, build: Any, on: str | None, valid: bool, status: str) -> None:
    ready.deliver(build.accepted())

    answer = ready.call("verify_certificate", {"number": 10_001, "on": on}, None)

    assert (answer["valid"], answer["status"], answer["holder"]) == (valid, status, "Smelter AS")
    assert answer["reason"] and answer["on"] == (on or "2026-11-22")


def test_a_number_that_no_certificate_carries_is_answered_as_not_valid(office: Any) -> None:
    answer = office.call("verify_certificate", {"number": 7}, None)

    assert (answer["valid"], answer["status"], answer["holder"]) == (False, "unknown", None)
    with pytest.raises(NotFound):
        office.call("get_certificate", {"number": 7}, None)


def test_history_without_a_number_gets_one_from_the_sequence(ready: Any, build: Any) -> None:
    history = History(issued_on=datetime.date(2026, 11, 1), source="published")

    ready.deliver(build.accepted(history=history, accepted_by="import", submitted_by="registrar-1"))

    assert [c["number"] for c in ready.certificates()] == [10_001]
