"""Checks a whole audit report and finds everything that is wrong with it, not only the first thing.

What has no readable form was reported before and is absent here, so every check takes what is there.
"""

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from assessment.domain.accreditation import Auditor, Body
from assessment.domain.findings import findings_faults
from assessment.domain.reading import Report, choice, shown
from assessment.domain.standards import StandardVersion
from assessment.domain.team import team_faults
from touchstone_contracts.errors import FieldError
from touchstone_contracts.values import AuditType

STATEMENTS = (
    "information_true",
    "findings_evidence_based",
    "scope_and_method_sufficient",
    "confidential_and_impartial",
)
"""What the auditors state; a report without any of them is not one (sheet of a published summary report)."""

SCOPE_TYPES = ("business", "facility", "product_program")
MATURITY_LEVELS = ("low", "medium", "high")
MATURITY_DIMENSIONS = ("systems", "risk", "performance")
RECOMMENDATIONS = ("certify", "certify_provisionally", "do_not_certify", "maintain", "suspend", "withdraw")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What assessment knows about a report's surroundings.

    `standard` and `body` are None where the report names none that is known; `auditors` holds those of the team that
    are. `submitting_body` is the body that the caller speaks for, None when the registrar imports. `judged_on` is the
    day on which the standard must be open, None while it cannot be told; `audited_by` is the last day on which the
    audit can have ended.
    """

    standard: StandardVersion | None
    body: Body | None
    auditors: Mapping[str, Auditor]
    submitting_body: str | None
    judged_on: datetime.date | None
    audited_by: datetime.date


def faults(report: Report, facts: Facts) -> list[FieldError]:
    """Everything that is wrong with the report's content, in the order of the checks."""
    return [fault for check in _CHECKS for fault in check(report, facts)]


def _submitter(report: Report, facts: Facts) -> Iterator[FieldError]:
    body_id = report.get("body_id")
    if facts.submitting_body is not None and body_id is not None and body_id != facts.submitting_body:
        yield FieldError("body_id", "not_your_body", "A body submits its own reports only.")


def _choices(report: Report, facts: Facts) -> Iterator[FieldError]:
    scope, maturity = report.get("scope", {}), report.get("maturity", {})
    asked: list[tuple[str, Any, tuple[str, ...], str]] = [
        ("audit_type", report.get("audit_type"), tuple(t.value for t in AuditType), "unknown_audit_type"),
        ("recommendation", report.get("recommendation"), RECOMMENDATIONS, "unknown_recommendation"),
        ("scope.type", scope.get("type"), SCOPE_TYPES, "unknown_scope_type"),
        *((f"maturity.{d}", maturity.get(d), MATURITY_LEVELS, "unknown_maturity") for d in MATURITY_DIMENSIONS),
    ]
    for path, value, known, code in asked:
        if value is not None and value not in known:
            yield FieldError(path, code, f"{shown(value)} is none of {', '.join(known)}.")


def _standard(report: Report, facts: Facts) -> Iterator[FieldError]:
    named = report.get("standard", {})
    if not {"code", "version"} <= named.keys():
        return
    name = f"{named['code']} {named['version']}"
    if facts.standard is None:
        yield FieldError("standard", "unknown_standard", f"{shown(name)} is no standard version that is known here.")
        return
    audit_type = choice(AuditType, report.get("audit_type"))
    on = facts.judged_on
    if audit_type is not None and on is not None and not facts.standard.is_open(audit_type, on):
        until = facts.standard.open_until(audit_type)
        window = f"from {facts.standard.certifiable_from}" + (f" until {until}" if until else "")
        kind = audit_type.value
        message = f"{name} is open for audits of the kind {kind} {window}; {on} is outside."
        yield FieldError("standard", "standard_not_open", message)


def _scope(report: Report, facts: Facts) -> Iterator[FieldError]:
    scope = report.get("scope", {})
    seen: set[str] = set()
    for index, activity in enumerate(scope.get("activities", ())):
        path = f"scope.activities[{index}]"
        if activity is None:
            continue
        if activity in seen:
            yield FieldError(path, "duplicate_activity", f"{shown(activity)} stands there twice.")
        elif facts.standard is not None and activity not in facts.standard.activities:
            yield FieldError(path, "unknown_activity", f"{shown(activity)} is no activity of this standard.")
        seen.add(activity)
    ids = [facility.get("id") for facility in scope.get("facilities", ())]
    for index, facility_id in enumerate(ids):
        if facility_id is not None and facility_id in ids[:index]:
            path = f"scope.facilities[{index}].id"
            yield FieldError(path, "duplicate_facility", f"{shown(facility_id)} stands there twice.")
    if scope.get("type") == "facility" and scope.get("facilities", ()) == []:
        yield FieldError("scope.facilities", "facilities_missing", "A scope of facilities names at least one.")


def _dates(report: Report, facts: Facts) -> Iterator[FieldError]:
    first, last = report.get("audited_from"), report.get("audited_until")
    if first is not None and last is not None and last < first:
        yield FieldError("audited_until", "date_order", f"The audit ends on {last}, before it begins on {first}.")
    elif last is not None and last > facts.audited_by:
        message = f"The audit ends on {last}; a report of {facts.audited_by} cannot cover it."
        yield FieldError("audited_until", "date_order", message)


def _statements(report: Report, facts: Facts) -> Iterator[FieldError]:
    made = report.get("statements", {})
    for name in STATEMENTS:
        if made.get(name) is not True:
            yield FieldError(f"statements.{name}", "statement_missing", "The auditors must state this: true.")


def _team(report: Report, facts: Facts) -> Iterator[FieldError]:
    return team_faults(report, standard=facts.standard, body=facts.body, auditors=facts.auditors)


def _findings(report: Report, facts: Facts) -> Iterator[FieldError]:
    return findings_faults(report, facts.standard)


_CHECKS: tuple[Callable[[Report, Facts], Iterator[FieldError]], ...] = (
    _submitter,
    _choices,
    _standard,
    _scope,
    _dates,
    _statements,
    _team,
    _findings,
)
