"""Checks that what the auditors recommend fits the kind of audit and what they found."""

from collections.abc import Iterator

from assessment.domain.audits.report import RECOMMENDATIONS, Report
from assessment.domain.report_checks.facts import Facts
from assessment.domain.report_checks.wording import choice
from touchstone_contracts.errors import FieldError
from touchstone_contracts.values import AuditType, Rating


def recommendation_faults(report: Report, facts: Facts) -> Iterator[FieldError]:
    """One that fits nothing contradicts the findings: the one or the other is wrong, and nobody here can tell which."""
    kind, recommended = choice(AuditType, report.get("audit_type")), report.get("recommendation")
    if kind is None or recommended not in RECOMMENDATIONS or "findings" not in report:
        return
    ratings = [finding.get("rating") for finding in report["findings"]]
    critical, majors = (ratings.count(r.value) for r in (Rating.CRITICAL_BREACH, Rating.MAJOR_NONCONFORMITY))
    fitting = [row.recommendation for row in facts.recommendations if row.fits(kind, critical, majors)]
    if recommended not in fitting:
        message = (
            f"{recommended} does not fit an audit of the kind {kind.value} with {critical} critical breaches and"
            f" {majors} majors; what fits: {', '.join(dict.fromkeys(fitting)) or 'nothing'}."
        )
        yield FieldError("recommendation", "recommendation_contradicts", message)
