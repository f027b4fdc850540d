"""Cases from acceptance to decision, through the service's own handlers over a database in memory."""

import datetime
from typing import Any

import pytest

from touchstone_contracts.values import PlanState, Standard

TODAY = datetime.date(2026, 11, 22)
DAY = datetime.timedelta(days=1)


def reasons(office: Any, case_id: str = "body.r-1") -> list[str]:
    return [reason["code"] for reason in office.case(case_id)["reasons"]]


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
    office.deliver(build.recorded())
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
    office.deliver(build.recorded())
    office.run_due()

    office.commit(unit)
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

    office.deliver(build.recorded(), sequence=1)
    office.deliver(build.suspended(), sequence=2)
    office.deliver(build.accepted())
    office.run_due()

    assert office.case()["state"] == "decided"


def test_a_suspension_from_a_later_day_does_not_hold_a_case_today(ready: Any, build: Any) -> None:
    ready.deliver(build.suspended(TODAY + DAY), sequence=2)
    ready.deliver(build.accepted())

    assert ready.case()["state"] == "decided"


def test_a_membership_that_begins_later_holds_the_case_until_that_day(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.recorded(joined_on=TODAY + 3 * DAY))
    office.deliver(build.accepted())
    office.run_due()
    before = reasons(office)

    office.go_to(TODAY + 3 * DAY)

    assert before == ["membership_not_active"]
    assert office.case()["decision"]["decided_on"] == "2026-11-25"


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


def test_a_mandate_that_is_signed_while_a_case_is_being_opened_is_not_missed(
    office: Any, build: Any, deliver_in: Any
) -> None:
    office.deliver(build.recorded())
    office.run_due()
    service, unit = office.begin()
    deliver_in(service, build.accepted(), 1)
    office.sign_mandate()
    office.run_due()

    office.commit(unit)
    office.run_due()

    assert office.case()["state"] == "decided"
