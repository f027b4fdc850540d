"""Checks on which days an audit was: in order, and over when its report came."""

from collections.abc import Iterator

from assessment.domain.audits.report import Report
from assessment.domain.report_checks.facts import Facts
from touchstone_contracts.errors import FieldError


def date_faults(report: Report, facts: Facts) -> Iterator[FieldError]:
    first, last = report.get("audited_from"), report.get("audited_until")
    if first is not None and last is not None and last < first:
        yield FieldError("audited_until", "date_order", f"The audit ends on {last}, before it begins on {first}.")
    elif last is not None and last > facts.audited_by:
        message = f"The audit ends on {last}; a report that is here before cannot cover it."
        yield FieldError("audited_until", "date_order", message)
