"""The decision table, row by row and in its order, over the rule set as it is shipped."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification.domain.cases.verdict import weigh
from certification.domain.rules.evaluator import last_day
from certification.domain.rules.rule_set import Outcome
from touchstone_contracts.values import AuditType, History, PlanState, Rating, Standard

TODAY = datetime.date(2026, 11, 22)
YESTERDAY = TODAY - datetime.timedelta(days=1)
TOMORROW = TODAY + datetime.timedelta(days=1)
AUDITED, DAY = datetime.date(2026, 10, 16), datetime.timedelta(days=1)


@pytest.fixture
def judge(build: Any, rules: Any) -> Any:
    """What the rules make of findings, or of a changed audit, today."""

    def judged(findings: Any = (), today: datetime.date = TODAY, around: Any = None, **changed: Any) -> Any:
        audit = build.audit(findings, **changed)
        return weigh(audit, around or build.surroundings(), rules, today=today).evaluation

    return judged


def codes(evaluation: Any) -> list[tuple[str, str]]:
    return [(reason.rule, reason.code) for reason in evaluation.reasons]


def tried(evaluation: Any) -> list[str]:
    return [step.rule for step in evaluation.trace if step.kind == "row"]


def test_row_7_no_nonconformity_gives_a_full_certificate_of_three_years(judge: Any) -> None:
    evaluation = judge()

    assert (evaluation.outcome, evaluation.row) == (Outcome.FULL, "7")
    assert evaluation.expires_on == datetime.date(2029, 11, 21)


def test_row_1_a_critical_breach_is_refused(judge: Any, build: Any) -> None:
    evaluation = judge([build.finding("10.2", Rating.CRITICAL_BREACH)])

    assert evaluation.outcome is Outcome.REFUSED
    assert codes(evaluation) == [("1", "critical_breach")]
    assert "10.2" in evaluation.reasons[0].text


@pytest.mark.parametrize(("majors", "outcome", "row"), [(3, Outcome.PROVISIONAL, "2"), (4, Outcome.REFUSED, "2a")])
def test_rows_2_and_2a_part_between_three_and_four_majors(
    judge: Any, build: Any, majors: int, outcome: Outcome, row: str
) -> None:
    evaluation = judge(build.findings(majors, build.major))

    assert (evaluation.outcome, evaluation.row) == (outcome, row)


def test_row_2a_comes_before_the_plans_are_looked_at(judge: Any, build: Any) -> None:
    evaluation = judge(build.findings(4, build.major, PlanState.NONE))

    assert codes(evaluation) == [("2a", "too_many_majors")]
    assert evaluation.reasons[0].text == "Major non-conformities: 4 (1.1, 2.1, 3.1, 4.1); at most 3 are allowed."


def test_row_2_a_major_with_an_approved_plan_gives_a_provisional_certificate_of_one_year(
    judge: Any, build: Any
) -> None:
    evaluation = judge([build.finding(rating=build.major)])

    assert (evaluation.outcome, evaluation.row) == (Outcome.PROVISIONAL, "2")
    assert evaluation.expires_on == datetime.date(2027, 11, 21)


@pytest.mark.parametrize("state", [PlanState.NONE, PlanState.SUBMITTED, PlanState.REJECTED])
@pytest.mark.parametrize(("rating", "row"), [("major", "2b"), ("minor", "5b")])
@pytest.mark.parametrize(
    ("due_on", "outcome", "code", "until"),
    [
        (YESTERDAY, Outcome.REFUSED, "plan_overdue", None),
        (TODAY, Outcome.HELD, "plan_not_approved", TODAY),
        (TOMORROW, Outcome.HELD, "plan_not_approved", TOMORROW),
    ],
)
def test_rows_2b_and_5b_hold_until_the_plan_is_due_and_refuse_after_it(
    judge: Any,
    build: Any,
    state: PlanState,
    rating: str,
    row: str,
    due_on: datetime.date,
    outcome: Outcome,
    code: str,
    until: datetime.date | None,
) -> None:
    evaluation = judge([build.finding("9.1", getattr(build, rating), state, due_on)])

    assert (evaluation.outcome, evaluation.until) == (outcome, until)
    assert codes(evaluation) == [(row, code)]
    assert "9.1" in evaluation.reasons[0].text


def test_one_major_of_two_without_an_approved_plan_is_enough_for_row_2b(judge: Any, build: Any) -> None:
    findings = [build.finding("9.1", build.major), build.finding("10.2", build.major, PlanState.NONE)]

    evaluation = judge(findings)

    assert (evaluation.outcome, evaluation.row) == (Outcome.HELD, "2b")
    assert "10.2" in evaluation.reasons[0].text and "9.1" not in evaluation.reasons[0].text


def test_the_first_plan_that_falls_due_ends_the_wait(judge: Any, build: Any) -> None:
    findings = [
        build.finding("9.1", plan=PlanState.NONE, due_on=TOMORROW),
        build.finding("9.2", plan=PlanState.NONE, due_on=datetime.date(2027, 6, 1)),
    ]

    assert judge(findings).until == TOMORROW


def test_a_plan_without_a_date_is_due_thirty_days_after_the_last_day_on_site(judge: Any, build: Any) -> None:
    finding = build.finding(plan=PlanState.NONE, due_on=None)

    evaluation = judge([finding], audited_until=datetime.date(2026, 11, 1))

    assert evaluation.until == datetime.date(2026, 12, 1)


def test_row_2_does_not_wait_for_the_plans_of_minors(judge: Any, build: Any) -> None:
    findings = [build.finding("9.1", build.major), build.finding("9.2", build.minor, PlanState.NONE)]

    assert judge(findings).row == "2"


def test_row_5_minors_with_approved_plans_give_a_full_certificate(judge: Any, build: Any) -> None:
    evaluation = judge(build.findings(5, build.minor))

    assert (evaluation.outcome, evaluation.row) == (Outcome.FULL, "5")


def test_rows_are_tried_in_their_order_and_the_trace_says_on_what_each_fired(judge: Any, build: Any) -> None:
    evaluation = judge([build.finding("9.1", build.minor), build.finding("9.2", build.minor)])

    fired = [step for step in evaluation.trace if step.kind == "row" and step.fired]
    assert tried(evaluation) == ["0", "1", "2a", "2", "2b", "5"]
    assert [(step.rule, step.findings) for step in fired] == [("5", ("9.1", "9.2"))]
    assert [(t.fact, t.comparison, t.expected, t.found, t.holds) for t in fired[0].tested] == [
        ("audit_type", "in", ["initial", "recertification"], "initial", True),
        ("minors", "ge", 1, 2, True),
        ("minors_without_approved_plan", "eq", 0, 0, True),
    ]


def test_a_guard_that_was_passed_is_in_the_trace_too(judge: Any) -> None:
    guards = {step.rule: step.fired for step in judge().trace if step.kind == "guard"}

    assert guards["membership_active"] is False and guards["acceptance_impartial"] is False
    assert not any(guards.values())


@pytest.mark.parametrize("kind", [kind for kind in AuditType if kind is not AuditType.INITIAL])
def test_an_audit_of_a_kind_that_is_not_supported_is_held_with_a_typed_reason(judge: Any, kind: AuditType) -> None:
    evaluation = judge(audit_type=kind)

    assert (evaluation.outcome, evaluation.row) == (Outcome.HELD, "0")
    assert codes(evaluation) == [("0", "audit_type_not_supported")]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"ratings": {}}, "report_incomplete"),
        ({"ratings": {"conformance": 61, "major_nonconformity": 1}}, "report_inconsistent"),
        ({"team": []}, "team_missing"),
        ({"accepted_by": "auditor-2"}, "acceptance_not_impartial"),
        ({"accepted_by": "body-reports"}, "acceptance_not_impartial"),
        ({"audited_until": TOMORROW}, "audit_not_finished"),
    ],
)
def test_row_0_a_fault_of_the_report_holds_the_case_with_a_typed_reason(
    judge: Any, changed: dict[str, Any], code: str
) -> None:
    evaluation = judge(**changed)

    assert (evaluation.outcome, evaluation.row) == (Outcome.HELD, "0")
    assert codes(evaluation) == [("0", code)]


def test_row_0_names_every_fault_and_comes_before_a_critical_breach(judge: Any, build: Any) -> None:
    evaluation = judge([build.finding(rating=build.critical)], team=[], audit_type=AuditType.SURVEILLANCE)

    assert codes(evaluation) == [("0", "audit_type_not_supported"), ("0", "team_missing")]


def test_acceptance_by_configuration_is_impartial(judge: Any) -> None:
    assert judge(accepted_by="configuration").outcome is Outcome.FULL


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"standard_open_from": AUDITED + DAY}, "not yet open"),
        ({"standard_open_until": AUDITED - DAY}, "closed"),
        ({"standard_open_from": AUDITED, "standard_open_until": AUDITED}, None),
    ],
)
def test_a_standard_that_was_not_open_on_the_audits_last_day_holds_the_case(
    judge: Any, changed: dict[str, Any], says: str | None
) -> None:
    evaluation = judge(**changed)

    if says is None:
        assert evaluation.outcome is Outcome.FULL
    else:
        assert codes(evaluation) == [("standard_open", "standard_not_open")]
        assert says in evaluation.reasons[0].text


def test_guards_on_issuing_do_not_stand_in_the_way_of_a_refusal(judge: Any, build: Any) -> None:
    evaluation = judge([build.finding(rating=build.critical)], standard_open_until=AUDITED - DAY)

    assert evaluation.outcome is Outcome.REFUSED


COC = Standard(code="COC", version="2.0")


def test_a_chain_of_custody_certificate_upstream_needs_a_performance_standard_certificate(
    judge: Any, build: Any
) -> None:
    without = judge(standard=COC)
    with_one = judge(standard=COC, around=build.surroundings(has_ps_certificate=True))

    assert codes(without) == [("ps_certificate", "ps_certificate_missing")]
    assert with_one.outcome is Outcome.FULL


def test_a_chain_of_custody_certificate_downstream_needs_none(judge: Any, build: Any) -> None:
    scope = type(build.audit().scope)(type="business", text="Cans", activities=["SFB", "OMS"])

    assert judge(standard=COC, scope=scope).outcome is Outcome.FULL


def test_imported_history_is_decided_as_of_its_date_of_issue(judge: Any) -> None:
    history = History(issued_on=datetime.date(2022, 4, 11), number=195, source="published")
    opened = {"standard_open_from": datetime.date(2017, 12, 1), "standard_open_until": datetime.date(2023, 6, 1)}

    evaluation = judge(history=history, audited_until=datetime.date(2021, 12, 16), **opened)

    assert (evaluation.outcome, evaluation.expires_on) == (Outcome.FULL, datetime.date(2025, 4, 10))


def test_a_hold_of_imported_history_does_not_end_by_itself(judge: Any, build: Any) -> None:
    history = History(issued_on=datetime.date(2026, 11, 1), source="published")

    evaluation = judge([build.finding(plan=PlanState.NONE)], history=history)

    assert (evaluation.outcome, evaluation.until) == (Outcome.HELD, None)


@pytest.mark.parametrize(
    ("first", "years", "months"),
    [
        (datetime.date(2019, 12, 13), datetime.date(2022, 12, 12), datetime.date(2020, 12, 12)),
        (datetime.date(2024, 2, 29), datetime.date(2027, 2, 27), datetime.date(2025, 2, 27)),
        (datetime.date(2025, 3, 1), datetime.date(2028, 2, 29), datetime.date(2026, 2, 28)),
        (datetime.date(2026, 1, 1), datetime.date(2028, 12, 31), datetime.date(2026, 12, 31)),
    ],
)
def test_the_last_day_is_the_same_calendar_day_less_one_reckoned_from_the_first(
    first: datetime.date, years: datetime.date, months: datetime.date
) -> None:
    assert last_day(first, {"years": 3}) == years
    assert last_day(first, {"months": 12}) == months


_PLANS = st.sampled_from(PlanState)
_RATINGS = st.sampled_from([Rating.MINOR_NONCONFORMITY, Rating.MAJOR_NONCONFORMITY, Rating.CRITICAL_BREACH])
_DUE = st.none() | st.dates(datetime.date(2026, 1, 1), datetime.date(2027, 12, 31))


@given(st.lists(st.tuples(_RATINGS, _PLANS, _DUE), max_size=8))
def test_every_initial_audit_meets_a_row_and_the_table_agrees_with_a_plain_reading(
    build: Any, rules: Any, drawn: list
) -> None:
    findings = [build.finding(f"{n}.1", rating, plan, due) for n, (rating, plan, due) in enumerate(drawn)]

    evaluation = weigh(build.audit(findings), build.surroundings(), rules, today=TODAY).evaluation

    assert evaluation.row == _plainly(drawn)
    assert evaluation.reasons
    assert (evaluation.expires_on is None) == (evaluation.outcome.level is None)


def _plainly(drawn: list) -> str:
    majors = [plan for rating, plan, _ in drawn if rating is Rating.MAJOR_NONCONFORMITY]
    minors = [plan for rating, plan, _ in drawn if rating is Rating.MINOR_NONCONFORMITY]
    if len(majors) + len(minors) < len(drawn):
        return "1"
    if len(majors) > 3:
        return "2a"
    if majors:
        return "2" if set(majors) == {PlanState.APPROVED} else "2b"
    if minors:
        return "5" if set(minors) == {PlanState.APPROVED} else "5b"
    return "7"
