"""Checks the head of a report: whose it is, whether its words are known ones, and what the auditors state."""

from collections.abc import Iterator
from typing import Any

from assessment.domain.audits.report import (
    HIGH,
    MATURITY_DIMENSIONS,
    MATURITY_LEVELS,
    RECOMMENDATIONS,
    SCOPE_TYPES,
    STATEMENTS,
    Report,
)
from assessment.domain.corrective_actions import NONCONFORMING
from assessment.domain.report_checks.facts import Facts
from assessment.domain.report_checks.wording import shown
from touchstone_contracts.errors import FieldError
from touchstone_contracts.values import AuditType

_NONCONFORMING = frozenset(rating.value for rating in NONCONFORMING)


def submitter_faults(report: Report, facts: Facts) -> Iterator[FieldError]:
    body_id = report.get("body_id")
    if facts.submitting_body is not None and body_id is not None and body_id != facts.submitting_body:
        yield FieldError("body_id", "not_your_body", "A body submits its own reports only.")


def choice_faults(report: Report, facts: Facts) -> Iterator[FieldError]:
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


def maturity_faults(report: Report, facts: Facts) -> Iterator[FieldError]:
    """High maturity leaves no room for a non-conformity, minors included (public page on the Assurance Manual, 5.6)."""
    levels = [report.get("maturity", {}).get(dimension) for dimension in MATURITY_DIMENSIONS]
    found = [f.get("criterion") for f in report.get("findings", ()) if f.get("rating") in _NONCONFORMING]
    if found and all(level == HIGH for level in levels):
        message = f"The overall maturity is high only without any non-conformity; there is {shown(found[0])}."
        yield FieldError("maturity", "maturity_contradicts", message)


def statement_faults(report: Report, facts: Facts) -> Iterator[FieldError]:
    made = report.get("statements", {})
    for name in STATEMENTS:
        if made.get(name) is not True:
            yield FieldError(f"statements.{name}", "statement_missing", "The auditors must state this: true.")
