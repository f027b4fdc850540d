"""Checks that the standard version of a report is known, and was open for this kind of audit on the audit's days.

A version is closed by the audit's date, not by that of report or decision: certificate 326 was issued on V2 half a year
after V2 had closed, and an audit firm says that audits from that day on need V3 (ADR 35).
"""

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
    days = sorted(day for day in (report.get("audited_from"), report.get("audited_until")) if day is not None)
    if audit_type is not None and days and not facts.standard.is_open(audit_type, days[0], days[-1]):
        until = facts.standard.open_until(audit_type)
        window = f"from {facts.standard.certifiable_from}" + (f" until {until}" if until else "")
        message = f"{name} is open for audits of the kind {audit_type.value} that take place {window}."
        yield FieldError("standard", "standard_not_open", message)
