"""Checks a report's findings: each applicable criterion rated once, with the reasons and plans that ratings ask for."""

import datetime
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from assessment.domain.audits.report import Report
from assessment.domain.corrective_actions import NONCONFORMING, PLANNED
from assessment.domain.report_checks.wording import choice, shown
from assessment.domain.standards import Criterion, StandardVersion
from touchstone_contracts.errors import FieldError
from touchstone_contracts.values import PlanState, Rating

_MAJOR = Rating.MAJOR_NONCONFORMITY.value
_NOT_APPLICABLE = Rating.NOT_APPLICABLE.value
_FINE_WITHOUT_PLAN = frozenset(rating.value for rating in Rating if rating not in PLANNED)


def findings_faults(report: Report, standard: StandardVersion | None, today: datetime.date) -> Iterator[FieldError]:
    """Everything that is wrong with the findings. Without a known standard, what depends on criteria is left out."""
    if "findings" not in report:
        return
    activities = {a for a in report.get("scope", {}).get("activities") or () if a is not None}
    applicable = {c.code: c for c in standard.applicable(activities)} if standard and activities else {}
    seen: set[str] = set()
    for index, finding in enumerate(report["findings"]):  # most are in order: what only looks closer is not called
        code, rating = finding.get("criterion", ""), finding.get("rating")
        if code in seen or standard is None or code not in standard.by_code:
            yield from _criterion_faults(f"findings[{index}]", finding, standard, seen)
        if rating not in _FINE_WITHOUT_PLAN or finding.get("plan") is not None:
            yield from _rating_faults(f"findings[{index}]", finding)
            yield from _plan_faults(f"findings[{index}].plan", finding, report.get("audited_until"))
            if rating == _MAJOR and standard is not None:
                yield from _major_faults(
                    f"findings[{index}].plan", finding, report.get("audited_until"), standard, today
                )
        if rating == _NOT_APPLICABLE:
            yield from _not_applicable_faults(f"findings[{index}]", finding, applicable, activities)
        seen.add(code)
    for code in applicable:
        if code not in seen:
            yield FieldError("findings", "missing_criterion", f"{code} applies to this scope and is not rated.")


def _criterion_faults(
    path: str, finding: Mapping[str, Any], standard: StandardVersion | None, seen: set[str]
) -> Iterator[FieldError]:
    code = finding.get("criterion")
    if code is None:
        return
    if code in seen:
        yield FieldError(f"{path}.criterion", "duplicate_criterion", f"{shown(code)} is rated more than once.")
    elif standard is not None and code not in standard.by_code:
        message = f"{shown(code)} is no criterion of {standard.code} {standard.version}."
        yield FieldError(f"{path}.criterion", "unknown_criterion", message)


def _rating_faults(path: str, finding: Mapping[str, Any]) -> Iterator[FieldError]:
    if "rating" not in finding:
        return
    rating = choice(Rating, finding["rating"])
    plan = finding.get("plan")
    if rating is None:
        yield FieldError(f"{path}.rating", "unknown_rating", f"{shown(finding['rating'])} is not a rating.")
    elif rating in PLANNED and plan is None:
        message = "A non-conformity says how its corrective action plan stands, be it `none`."
        yield FieldError(f"{path}.plan", "missing_plan", message)
    elif plan is not None and rating not in NONCONFORMING:
        yield FieldError(f"{path}.plan", "plan_not_allowed", "Only a non-conformity has a corrective action plan.")


def _plan_faults(path: str, finding: Mapping[str, Any], audited_until: datetime.date | None) -> Iterator[FieldError]:
    plan = finding.get("plan") or {}
    if "state" in plan and choice(PlanState, plan["state"]) is None:
        known = ", ".join(state.value for state in PlanState)
        yield FieldError(f"{path}.state", "unknown_plan_state", f"{shown(plan['state'])} is none of {known}.")
    due_on = plan.get("due_on")
    if due_on is not None and audited_until is not None and due_on < audited_until:
        message = f"The plan is due on {due_on}, before the audit's last day, {audited_until}."
        yield FieldError(f"{path}.due_on", "date_order", message)


def _major_faults(
    path: str,
    finding: Mapping[str, Any],
    audited_until: datetime.date | None,
    standard: StandardVersion,
    today: datetime.date,
) -> Iterator[FieldError]:
    """A major comes with its plan (public page on the Assurance Manual, 6.4), which is due within a month of the
    on-site part; a day that has passed helps nobody."""
    plan = finding.get("plan") or {}
    state, due_on = choice(PlanState, plan.get("state")), plan.get("due_on")
    if state is PlanState.NONE:
        message = "A major non-conformity comes with its corrective action plan: hand the report in when there is one."
        yield FieldError(f"{path}.state", "missing_plan", message)
    if due_on is None or audited_until is None:
        return
    latest = standard.plan_due_by(audited_until)
    if due_on > latest:
        message = f"The plan for a major is due on {latest} at the latest, a month after the audit's last day."
        yield FieldError(f"{path}.due_on", "due_too_late", message)
    elif audited_until <= due_on < today and state in (PlanState.SUBMITTED, PlanState.REJECTED):
        yield FieldError(f"{path}.due_on", "date_passed", f"{due_on} has passed, and the plan is not approved.")


def _not_applicable_faults(
    path: str, finding: Mapping[str, Any], applicable: Mapping[str, Criterion], activities: Collection[str]
) -> Iterator[FieldError]:
    """A criterion beyond the scope may always be called so; one that applies only where the standard allows it, and
    never one that is there for an activity of this scope."""
    if not (finding.get("reason") or "").strip():
        yield FieldError(f"{path}.reason", "missing_reason", "Say why the criterion is not applicable.")
    criterion = applicable.get(finding.get("criterion", ""))
    if criterion is not None and not criterion.may_be_not_applicable:
        message = f"{criterion.code} applies to every scope like this one and must be rated."
        yield FieldError(f"{path}.rating", "not_applicable_not_allowed", message)
    elif criterion is not None and criterion.restricted_to is not None:
        carried = ", ".join(sorted(criterion.restricted_to & set(activities)))
        message = f"{criterion.code} is there for {carried}, which this scope has, and must be rated."
        yield FieldError(f"{path}.rating", "not_applicable_not_allowed", message)
