"""An audit from submission to acceptance, and its plans after that."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from assessment.data.catalogue import load_catalogue
from assessment.domain.accreditation import Auditor, Body
from assessment.domain.audits.audit import Audit, State, audit_id_of
from assessment.domain.audits.reliance import Reliance
from assessment.domain.audits.report import Summary, overall_maturity, summarise
from assessment.domain.register import Register
from assessment.schemas.report_parsing import parse_report
from touchstone_contracts.errors import AlreadyExists, DecisionNotImpartial, IllegalTransition, InvalidRequest
from touchstone_contracts.events.assessment import (
    AuditAccepted,
    AuditReportReturned,
    AuditReportSubmitted,
    CorrectiveActionPlanReviewed,
)
from touchstone_contracts.values import (
    AuditType,
    History,
    Nonconformity,
    PinnedMember,
    PlanState,
    Rating,
    ReliedOn,
    Standard,
)

FIRST = datetime.datetime(2026, 11, 2, 9, tzinfo=datetime.UTC)
LATER = FIRST + datetime.timedelta(days=3)
STANDARD = load_catalogue().find("PS", "3.0")
assert STANDARD is not None
PINNED = PinnedMember(
    legal_name="Qatar Aluminium Limited",
    member_class="PT",
    state="active",
    effective_on=datetime.date(2020, 3, 1),
    sequence=1,
)
DNV = Body(id="dnv", name="DNV", version=3)
Building = Callable[..., dict[str, Any]]


def summary_of(report: dict[str, Any]) -> Summary:
    assert STANDARD is not None
    return summarise(parse_report(report).content, STANDARD)


@pytest.fixture
def summary(a_report: Building, rated: Building) -> Summary:
    """A report with a minor whose plan was only handed in, a major with an approved one, and a breach."""
    report = rated(a_report(), "2.4", "minor_nonconformity", plan={"state": "submitted"})
    rated(report, "5.3", "major_nonconformity", plan={"state": "approved", "due_on": "2026-12-01"})
    return summary_of(rated(report, "10.3", "critical_breach"))


@pytest.fixture
def submitted(summary: Summary) -> Audit:
    audit = Audit(id="dnv.r-1", summary=summary)
    audit.submit(summary, "sha256:1", by="dnv-reports", at=FIRST)
    return audit


def relying(register: Register | None = None) -> Reliance:
    assert STANDARD is not None
    team = {"auditor-1": Auditor(id="auditor-1", name="A", logins=("a.auditor@dnv.example", "aa"))}
    return Reliance(standard=STANDARD, body=DNV, team=team, register=register or Register())


def accept(audit: Audit, by: str = "secretariat-1") -> list[Any]:
    return audit.accept(by=by, at=LATER, on=relying())


@pytest.fixture
def accepted(submitted: Audit) -> Audit:
    accept(submitted)
    return submitted


def test_a_report_that_comes_in_is_announced(summary: Summary) -> None:
    audit = Audit(id="dnv.r-1", summary=summary)

    events = audit.submit(summary, "sha256:1", by="dnv-reports", at=FIRST)

    assert audit.state is State.SUBMITTED
    assert events == [
        AuditReportSubmitted(
            audit_id="dnv.r-1",
            report_id="R-1",
            body_id="dnv",
            member_id="qatalum",
            entity=summary.entity,
            standard=Standard(code="PS", version="3.0"),
            audit_type=AuditType.INITIAL,
            report_hash="sha256:1",
            submitted_at=FIRST,
        )
    ]


def test_an_accepted_report_is_announced_with_all_that_certification_needs(
    submitted: Audit, summary: Summary, register: Register
) -> None:
    assert STANDARD is not None
    (announced,) = submitted.accept(by="secretariat-1", at=LATER, on=relying(register))

    assert submitted.state is State.ACCEPTED
    assert announced == AuditAccepted(
        audit_id="dnv.r-1",
        report_id="R-1",
        report_hash="sha256:1",
        audit_type=AuditType.INITIAL,
        standard=Standard(code="PS", version="3.0"),
        standard_open_from=datetime.date(2022, 5, 19),
        standard_open_until=None,
        member_id="qatalum",
        entity=summary.entity,
        scope=summary.scope,
        body_id="dnv",
        body_name="DNV",
        member=PINNED,
        relied_on=[
            ReliedOn(kind="body", id="dnv", sequence=3),
            ReliedOn(kind="entity", id="qatalum-mesaieed", sequence=1),
            ReliedOn(kind="facility", id="qatalum-1", sequence=1),
        ],
        standard_hash=STANDARD.hash,
        team=["auditor-1", "auditor-2"],
        team_logins=["a.auditor@dnv.example", "aa"],
        submitted_by="dnv-reports",
        submitters=["dnv-reports"],
        accepted_by="secretariat-1",
        audited_from=datetime.date(2026, 10, 12),
        audited_until=datetime.date(2026, 10, 16),
        submitted_at=FIRST,
        accepted_at=LATER,
        ratings={"conformance": 55, "minor_nonconformity": 1, "major_nonconformity": 1, "critical_breach": 1},
        nonconformities=[
            Nonconformity(
                criterion="2.4",
                rating=Rating.MINOR_NONCONFORMITY,
                plan_state=PlanState.SUBMITTED,
                plan_due_on=datetime.date(2026, 11, 16),
            ),
            Nonconformity(
                criterion="5.3",
                rating=Rating.MAJOR_NONCONFORMITY,
                plan_state=PlanState.APPROVED,
                plan_due_on=datetime.date(2026, 12, 1),
            ),
            Nonconformity(
                criterion="10.3",
                rating=Rating.CRITICAL_BREACH,
                plan_state=PlanState.NONE,
                plan_due_on=datetime.date(2026, 11, 16),
            ),
        ],
        history=None,
    )


@pytest.mark.parametrize("by", ["dnv-reports", "auditor-1", "auditor-2", "a.auditor@dnv.example"])
def test_nobody_accepts_a_report_that_they_wrote_or_an_audit_that_they_carried_out(submitted: Audit, by: str) -> None:
    with pytest.raises(DecisionNotImpartial):
        accept(submitted, by=by)

    assert submitted.state is State.SUBMITTED


def test_whoever_wrote_an_earlier_version_does_not_accept_the_later_one(submitted: Audit, summary: Summary) -> None:
    submitted.return_to_body(("Unreadable.",), by="secretariat-1", at=LATER)
    submitted.submit(summary, "sha256:2", by="dnv-colleague", at=LATER)

    with pytest.raises(DecisionNotImpartial):
        accept(submitted, by="dnv-reports")


def test_a_returned_report_is_announced_with_its_reasons_and_may_come_again(submitted: Audit, summary: Summary) -> None:
    events = submitted.return_to_body(("5.2 has no evidence.",), by="secretariat-1", at=LATER)
    submitted.submit(summary, "sha256:2", by="dnv-reports", at=LATER)

    assert events == [
        AuditReportReturned(
            audit_id="dnv.r-1",
            report_id="R-1",
            body_id="dnv",
            member_id="qatalum",
            reasons=["5.2 has no evidence."],
            returned_at=LATER,
        )
    ]
    assert submitted.state is State.SUBMITTED
    assert [s.report_hash for s in submitted.submissions] == ["sha256:1", "sha256:2"]
    assert submitted.submissions[0].reasons == ("5.2 has no evidence.",)
    assert submitted.submissions[0].returned_by == "secretariat-1"


def test_the_very_report_that_was_returned_may_come_again(submitted: Audit, summary: Summary) -> None:
    submitted.return_to_body(("By mistake.",), by="secretariat-1", at=LATER)

    submitted.submit(summary, "sha256:1", by="dnv-reports", at=LATER)

    assert submitted.state is State.SUBMITTED


def test_a_repetition_is_told_from_another_report(submitted: Audit, summary: Summary) -> None:
    with pytest.raises(AlreadyExists):
        submitted.submit(summary, "sha256:1", by="dnv-reports", at=LATER)
    with pytest.raises(IllegalTransition):
        submitted.submit(summary, "sha256:2", by="dnv-reports", at=LATER)


def test_an_accepted_report_is_frozen(accepted: Audit, summary: Summary) -> None:
    with pytest.raises(AlreadyExists):
        accepted.submit(summary, "sha256:1", by="dnv-reports", at=LATER)
    with pytest.raises(IllegalTransition):
        accepted.submit(summary, "sha256:2", by="dnv-reports", at=LATER)
    with pytest.raises(IllegalTransition):
        accepted.return_to_body(("Too late.",), by="secretariat-1", at=LATER)
    with pytest.raises(IllegalTransition):
        accept(accepted)


def test_a_returned_report_cannot_be_accepted(submitted: Audit) -> None:
    submitted.return_to_body(("No.",), by="secretariat-1", at=LATER)

    with pytest.raises(IllegalTransition):
        accept(submitted)


@pytest.mark.parametrize("outcome", [PlanState.APPROVED, PlanState.REJECTED])
def test_a_plan_is_reviewed_after_acceptance(accepted: Audit, outcome: PlanState) -> None:
    events = accepted.review_plan("2.4", outcome, plan_due_on=None, by="dnv-lead", at=LATER)

    assert events == [
        CorrectiveActionPlanReviewed(
            audit_id="dnv.r-1",
            criterion="2.4",
            plan_state=outcome,
            plan_due_on=datetime.date(2026, 11, 16),
            reviewed_at=LATER,
        )
    ]
    assert accepted.nonconformities[0].plan_state is outcome
    assert accepted.plan_reviews[0].reviewed_by == "dnv-lead"
    assert accepted.summary.nonconformities[0].plan_state is PlanState.SUBMITTED


def test_a_plan_that_was_due_is_reviewed_no_more(accepted: Audit) -> None:
    due_on = accepted.nonconformities[0].plan_due_on
    assert due_on is not None
    late = datetime.datetime.combine(due_on + datetime.timedelta(days=1), datetime.time(), tzinfo=datetime.UTC)

    with pytest.raises(IllegalTransition, match="is decided without it"):
        accepted.review_plan("2.4", PlanState.APPROVED, plan_due_on=None, by="dnv-lead", at=late)

    assert accepted.nonconformities[0].plan_state is PlanState.SUBMITTED and accepted.plan_reviews == ()


@pytest.mark.parametrize(
    ("criterion", "due_on", "code"),
    [
        ("2.4", "2026-10-15", "date_order"),
        ("2.4", "2026-11-03", "date_passed"),
        ("9.1", "2026-11-17", "due_too_late"),
        ("9.1", "2099-12-31", "due_too_late"),
    ],
)
def test_a_plans_new_day_is_not_over_and_that_of_a_major_within_the_month(
    a_report: Building, rated: Building, criterion: str, due_on: str, code: str
) -> None:
    report = rated(a_report(), "2.4", "minor_nonconformity", plan={"state": "submitted"})
    summary = summary_of(rated(report, "9.1", "major_nonconformity", plan={"state": "submitted"}))
    audit = Audit(id="dnv.r-1", summary=summary)
    audit.submit(summary, "sha256:1", by="dnv-reports", at=FIRST)
    accept(audit)
    at = datetime.datetime(2026, 11, 4, 9, tzinfo=datetime.UTC)

    with pytest.raises(InvalidRequest) as refused:
        audit.review_plan(
            criterion, PlanState.REJECTED, plan_due_on=datetime.date.fromisoformat(due_on), by="dnv-lead", at=at
        )

    assert [(error.path, error.code) for error in refused.value.errors] == [("plan_due_on", code)]


def test_a_rejected_plan_can_get_a_new_date_and_be_approved_later(accepted: Audit) -> None:
    new_date = datetime.date(2026, 12, 24)
    accepted.review_plan("2.4", PlanState.REJECTED, plan_due_on=new_date, by="dnv-lead", at=LATER)

    accepted.review_plan("2.4", PlanState.APPROVED, plan_due_on=None, by="dnv-lead", at=LATER)

    assert accepted.nonconformities[0].plan_state is PlanState.APPROVED
    assert accepted.nonconformities[0].plan_due_on == new_date


def test_an_approved_plan_stays_approved(accepted: Audit) -> None:
    with pytest.raises(IllegalTransition):
        accepted.review_plan("5.3", PlanState.REJECTED, plan_due_on=None, by="dnv-lead", at=LATER)


@pytest.mark.parametrize("criterion", ["1.1", "99", "10.3"])
def test_only_minors_and_majors_have_a_plan_to_review(accepted: Audit, criterion: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        accepted.review_plan(criterion, PlanState.APPROVED, plan_due_on=None, by="dnv-lead", at=LATER)

    assert [(e.path, e.code) for e in refused.value.errors] == [("criterion", "no_plan_needed")]


def test_a_plan_is_not_due_before_the_audit_ended(accepted: Audit) -> None:
    with pytest.raises(InvalidRequest) as refused:
        accepted.review_plan(
            "2.4", PlanState.REJECTED, plan_due_on=datetime.date(2026, 10, 15), by="dnv-lead", at=LATER
        )

    assert [(e.path, e.code) for e in refused.value.errors] == [("plan_due_on", "date_order")]


def test_plans_of_a_report_that_is_not_accepted_are_not_reviewed(submitted: Audit) -> None:
    with pytest.raises(IllegalTransition):
        submitted.review_plan("2.4", PlanState.APPROVED, plan_due_on=None, by="dnv-lead", at=LATER)


def test_a_past_report_is_accepted_as_of_noon_of_the_day_of_issue(summary: Summary) -> None:
    assert STANDARD is not None
    history = History(issued_on=datetime.date(2022, 4, 11), number=195, source="Summary report")
    audit = Audit(id="dnv.r-1", summary=summary)

    (announced,) = audit.admit(summary, "sha256:1", history, by="registrar-1", at=LATER, on=relying())

    assert audit.state is State.ACCEPTED
    assert announced.history == history
    assert announced.accepted_at == datetime.datetime(2022, 4, 11, 12, tzinfo=datetime.UTC)
    assert (announced.accepted_by, announced.submitted_by) == ("import", "registrar-1")
    assert not audit.is_overdue


def test_only_a_new_audit_is_imported(submitted: Audit, summary: Summary) -> None:
    assert STANDARD is not None
    history = History(issued_on=datetime.date(2022, 4, 11), source="Summary report")

    with pytest.raises(IllegalTransition):
        submitted.admit(summary, "sha256:2", history, by="registrar-1", at=LATER, on=relying())


@pytest.mark.parametrize(("days", "overdue"), [(56, False), (57, True)])
def test_a_report_that_comes_late_is_flagged_not_refused(summary: Summary, days: int, overdue: bool) -> None:
    ended = datetime.datetime(2026, 10, 16, 9, tzinfo=datetime.UTC)
    audit = Audit(id="dnv.r-1", summary=summary)

    audit.submit(summary, "sha256:1", by="dnv-reports", at=ended + datetime.timedelta(days=days))

    assert audit.is_overdue is overdue


def test_the_calendar_has_a_last_day(a_report: Building, rated: Building) -> None:
    report = a_report(audited_from="9999-12-30", audited_until="9999-12-31")

    summary = summary_of(rated(report, "2.4", "minor_nonconformity", plan={"state": "none"}))

    assert summary.report_due_on == summary.nonconformities[0].plan_due_on == datetime.date.max


@pytest.mark.parametrize(
    ("levels", "overall"),
    [(("high", "high", "high"), "high"), (("high", "low", "medium"), "low"), (("medium", "high", "high"), "medium")],
)
def test_the_lowest_dimension_is_the_overall_maturity(levels: tuple[str, ...], overall: str) -> None:
    assert overall_maturity(levels) == overall


def test_a_bodys_own_reference_makes_the_audits_id() -> None:
    assert audit_id_of("dnv-uk", "QATALUM-2022-01") == "dnv-uk.qatalum-2022-01"
