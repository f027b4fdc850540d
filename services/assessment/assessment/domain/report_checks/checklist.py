"""Checks a whole audit report and finds everything that is wrong with it, not only the first thing.

What has no readable form was reported before and is absent here, so every check takes what is there.
"""

from collections.abc import Callable, Iterator

from assessment.domain.audits.report import Report
from assessment.domain.report_checks.dates import date_faults
from assessment.domain.report_checks.facts import Facts
from assessment.domain.report_checks.findings import findings_faults
from assessment.domain.report_checks.head import choice_faults, maturity_faults, statement_faults, submitter_faults
from assessment.domain.report_checks.recommendation import recommendation_faults
from assessment.domain.report_checks.register import register_faults
from assessment.domain.report_checks.scope import scope_faults
from assessment.domain.report_checks.standard import standard_faults
from assessment.domain.report_checks.team import team_faults
from touchstone_contracts.errors import FieldError


def faults(report: Report, facts: Facts) -> list[FieldError]:
    """Everything that is wrong with the report's content, in the order of the checks."""
    return [fault for check in _CHECKS for fault in check(report, facts)]


def _team(report: Report, facts: Facts) -> Iterator[FieldError]:
    return team_faults(report, standard=facts.standard, body=facts.body, auditors=facts.auditors)


def _register(report: Report, facts: Facts) -> Iterator[FieldError]:
    of_the_past = facts.submitting_body is None
    return register_faults(report, facts.register, all_told=facts.all_told, of_the_past=of_the_past)


def _findings(report: Report, facts: Facts) -> Iterator[FieldError]:
    return findings_faults(report, facts.standard, facts.today)


_CHECKS: tuple[Callable[[Report, Facts], Iterator[FieldError]], ...] = (
    submitter_faults,
    choice_faults,
    standard_faults,
    scope_faults,
    _register,
    date_faults,
    statement_faults,
    _team,
    _findings,
    maturity_faults,
    recommendation_faults,
)
