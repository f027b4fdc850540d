"""Validates a report that was handed in: its form, then its content against what assessment knows.

Everything that is wrong is answered at once. What comes out is fit to be filed.
"""

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

from assessment.data.catalogue import Catalogue
from assessment.data.recommendations import RECOMMENDATIONS_1
from assessment.domain.accreditation import Body
from assessment.domain.audits.audit import Audit, audit_id_of
from assessment.domain.audits.report import Summary, summarise
from assessment.domain.report_checks.checklist import faults
from assessment.domain.report_checks.facts import Facts
from assessment.domain.report_checks.team import team_faults
from assessment.domain.standards import StandardVersion
from assessment.schemas.report_hash import report_hash
from assessment.schemas.report_parsing import ParsedReport, parse_history, parse_report
from assessment.storage.accreditation import Auditors, Bodies
from assessment.storage.audits import Audits
from assessment.storage.surroundings import ReportSurroundings
from touchstone_contracts.errors import FieldError, InvalidReport
from touchstone_contracts.field_errors import ERRORS_MAX, counted
from touchstone_contracts.values import History

PUBLISHED_NUMBER_MAX = 99_999
"""The scheme's own numbers are below 1,000 (409 in 2025), a sandbox's begin at 10,001: beyond is a slip (design)."""
FURTHEST_AHEAD = datetime.timedelta(hours=14)
"""Of all time zones: a day of an audit is one of its site, and may have ended there while it lasts in UTC."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repositories:
    """Where to look up what a report names; `catalogue` gives the standards that are effective on a day.

    `surroundings` reads what the others are going to be asked for.
    """

    surroundings: ReportSurroundings
    catalogue: Callable[[datetime.date], Catalogue]
    audits: Audits
    bodies: Bodies
    auditors: Auditors


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidReport:
    """A report with nothing wrong in it. `audit` is the one in the register, or a new one."""

    audit: Audit
    summary: Summary
    report_hash: str
    standard: StandardVersion
    body_name: str


def validate_submission(
    report: Any, repositories: Repositories, *, body_id: str | None, at: datetime.datetime
) -> ValidReport:
    """A body's own report. Raises InvalidReport with everything that is wrong, AlreadyExists for a repetition."""
    days = {"today": at.date(), "audited_by": (at + FURTHEST_AHEAD).date()}
    return _validated(report, parse_report(report), repositories, [], submitting_body=body_id or "", **days)


def validate_import(
    report: Any, history: Any, repositories: Repositories, *, today: datetime.date
) -> tuple[ValidReport, History]:
    """A past report and what is published of its certificate, which was issued after the audit."""
    parsed = parse_report(report)
    past, wrong = parse_history(history)
    if past is not None:
        wrong = _history_faults(past, today)
    issued_on = past.issued_on if past else today
    valid = _validated(report, parsed, repositories, wrong, submitting_body=None, today=issued_on, audited_by=issued_on)
    assert past is not None
    return valid, past


def recheck_accreditation(
    report: dict[str, Any], repositories: Repositories, *, standard: StandardVersion, body: Body
) -> None:
    """Raises InvalidReport where body or team are no longer accredited for the audit's days, as they were before.

    So it does where a release before took a report whose form is none today.
    """
    parsed = parse_report(report)
    auditors = repositories.auditors.find(_team(parsed.content))
    wrong = team_faults(parsed.content, standard=standard, body=body, auditors=auditors)
    if faults := parsed.with_content_faults(list(wrong)):
        raise _invalid(faults)


def _validated(
    report: Any,
    parsed: ParsedReport,
    repositories: Repositories,
    wrong_besides: list[FieldError],
    *,
    submitting_body: str | None,
    today: datetime.date,
    audited_by: datetime.date,
) -> ValidReport:
    body_id, audit_id, team = parsed.text("body_id"), _audit_id(parsed, submitting_body), _team(parsed.content)
    repositories.surroundings.read(body_id=body_id, audit_id=audit_id, auditor_ids=team)
    catalogue = repositories.catalogue(today)
    standard = catalogue.find(parsed.text("standard", "code"), parsed.text("standard", "version"))
    body = repositories.bodies.get(body_id) if body_id else None
    audit = repositories.audits.get(audit_id) if audit_id else None
    fingerprint = "" if parsed.faults else report_hash(report)
    if audit is not None:
        audit.refuse_repetition(fingerprint)
    facts = Facts(
        standard=standard,
        body=body,
        auditors=repositories.auditors.find(team),
        submitting_body=submitting_body,
        today=today,
        audited_by=audited_by,
        recommendations=RECOMMENDATIONS_1,
    )
    wrong = parsed.with_content_faults(faults(parsed.content, facts)) + wrong_besides
    if wrong:
        raise _invalid(wrong, parsed.untold)
    assert standard is not None and body is not None
    summary = summarise(parsed.content, standard)
    return ValidReport(
        audit=audit or Audit(id=audit_id_of(summary.body_id, summary.report_id), summary=summary),
        summary=summary,
        report_hash=fingerprint,
        standard=standard,
        body_name=body.name,
    )


def _team(content: dict[str, Any]) -> list[str]:
    """The ids of the auditors that can be read."""
    return [member["auditor_id"] for member in content.get("team", ()) if "auditor_id" in member]


def _audit_id(parsed: ParsedReport, submitting_body: str | None) -> str | None:
    """The id of the audit that the report belongs to, if the caller may speak of it."""
    body_id, report_id = parsed.text("body_id"), parsed.text("report_id")
    if body_id is None or report_id is None or submitting_body not in (None, body_id):
        return None
    return audit_id_of(body_id, report_id)


def _history_faults(history: History, today: datetime.date) -> list[FieldError]:
    wrong = []
    if history.issued_on > today:
        message = f"{history.issued_on} is still to come: only the past is imported."
        wrong.append(FieldError("history.issued_on", "date_order", message))
    if history.number is not None and history.number > PUBLISHED_NUMBER_MAX:
        message = f"{history.number} is no published number: the next certificates would go on from there for good."
        wrong.append(FieldError("history.number", "number_too_high", message))
    if history.certified_since is not None and history.certified_since > history.issued_on:
        message = "An unbroken certification cannot begin after the day of issue."
        wrong.append(FieldError("history.certified_since", "date_order", message))
    return wrong


def _invalid(faults: list[FieldError], untold: int = 0) -> InvalidReport:
    """The refusal that lists every fault, at most ERRORS_MAX of them; `untold`: how many more there are."""
    return InvalidReport(counted(len(faults) + untold, "the report"), faults[:ERRORS_MAX])
