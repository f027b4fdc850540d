"""Checks that the standard version of a report is known, and open on the day for this kind of audit."""

from collections.abc import Iterator

from assessment.domain.audits.report import Report
from assessment.domain.report_checks.facts import Facts
from assessment.domain.report_checks.wording import choice, shown
from touchstone_contracts.errors import FieldError
from touchstone_contracts.values import AuditType


def standard_faults(report: Report, facts: Facts) -> Iterator[FieldError]:
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
