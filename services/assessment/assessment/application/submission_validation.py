"""Validates a report that was handed in: its form, then its content against what assessment knows.

Everything that is wrong is answered at once. What comes out is fit to be filed.
"""

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import Any

from assessment.application.known_register import KnownRegister
from assessment.data.catalogue import Catalogue
from assessment.data.recommendations import RECOMMENDATIONS_1
from assessment.domain.accreditation import Body
from assessment.domain.audits.audit import Audit, audit_id_of
from assessment.domain.audits.reliance import Reliance
from assessment.domain.audits.report import Summary, summarise
from assessment.domain.register import Reference
from assessment.domain.report_checks.checklist import faults
from assessment.domain.report_checks.facts import Facts
from assessment.domain.report_checks.register import register_faults
from assessment.domain.report_checks.team import team_faults
from assessment.domain.report_checks.wording import shown
from assessment.domain.standards import StandardVersion
from assessment.schemas.report_hash import report_hash
from assessment.schemas.report_parsing import ParsedReport, parse_history, parse_report
from assessment.storage.accreditation import Auditors, Bodies
from assessment.storage.audits import Audits
from assessment.storage.surroundings import ReportSurroundings
from touchstone_contracts.errors import FieldError, InvalidReport, NotKnownYet
from touchstone_contracts.field_errors import ERRORS_MAX, counted
from touchstone_contracts.values import History

PUBLISHED_NUMBER_MAX = 99_999
"""The scheme's own numbers are below 1,000 (409 in 2025), a sandbox's begin at 10,001: beyond is a slip (design)."""
FURTHEST_AHEAD = datetime.timedelta(hours=14)
"""Of all time zones: a day of an audit is one of its site, and may have ended there while it lasts in UTC."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repositories:
    """Where to look up what a report names; `catalogue` gives the standards that are effective on a day.

    `surroundings` reads what the others are going to be asked for; `register` is what is known of membership's.
    """

    surroundings: ReportSurroundings
    catalogue: Callable[[datetime.date], Catalogue]
    audits: Audits
    bodies: Bodies
    auditors: Auditors
    register: KnownRegister


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidReport:
    """A report with nothing wrong in it. `audit` is the one in the register, or a new one.

    `missing`: what it names and is not known yet; `asked_at`: when that was looked up, by the clock of heartbeats.
    """

    audit: Audit
    summary: Summary
    report_hash: str
    reliance: Reliance
    missing: Sequence[Reference]
    asked_at: datetime.datetime


def validate_submission(
    report: Any, repositories: Repositories, *, body_id: str | None, at: datetime.datetime
) -> ValidReport:
    """A body's own report. Raises InvalidReport with everything that is wrong, AlreadyExists for a repetition."""
    days = {"today": at.date(), "audited_by": (at + FURTHEST_AHEAD).date()}
    return _validated(report, parse_report(report), repositories, [], submitting_body=body_id or "", **days)


def validate_import(
    report: Any, history: Any, repositories: Repositories, *, today: datetime.date
) -> tuple[ValidReport, History]:
    """A past report and what is published of its certificate, which was issued after the audit.

    Raises NotKnownYet where it names what has not come here yet.
    """
    parsed = parse_report(report)
    past, wrong = parse_history(history)
    if past is not None:
        wrong = _history_faults(past, today)
    issued_on = past.issued_on if past else today
    valid = _validated(report, parsed, repositories, wrong, submitting_body=None, today=issued_on, audited_by=issued_on)
    assert past is not None
    refuse_missing(valid.missing)
    return valid, past


def recheck(report: dict[str, Any], repositories: Repositories, *, standard: StandardVersion, body: Body) -> Reliance:
    """What the acceptance of the report relies on.

    Raises InvalidReport where body or team are no longer accredited for the audit's days, as they were before, or what
    the report names is not as it says; NotKnownYet where that has not come here yet. So it does where a release before
    took a report whose form is none today.
    """
    parsed = parse_report(report)
    looked_up = repositories.register.look_up(parsed.content)
    auditors = repositories.auditors.find(_team(parsed.content))
    wrong = [
        *register_faults(parsed.content, looked_up.register, all_told=looked_up.all_told),
        *team_faults(parsed.content, standard=standard, body=body, auditors=auditors),
    ]
    if faults := parsed.with_content_faults(wrong):
        raise _invalid(faults)
    if not repositories.register.take_unknown:
        refuse_missing(looked_up.register.unknown(parsed.content))
    return Reliance(standard=standard, body=body, team=auditors, register=looked_up.register)


def refuse_missing(missing: Sequence[Reference]) -> None:
    """Raises NotKnownYet for what has not come here yet."""
    if missing:
        wrong = [FieldError(one.path, "not_known_yet", f"{shown(one.id)} is not known here yet.") for one in missing]
        raise NotKnownYet("Not all is here yet that membership has told: try again.", wrong)


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
    repositories.surroundings.read(parsed.content, body_id=body_id, audit_id=audit_id, auditor_ids=team)
    catalogue = repositories.catalogue(today)
    standard = catalogue.find(parsed.text("standard", "code"), parsed.text("standard", "version"))
    body = repositories.bodies.get(body_id) if body_id else None
    audit = repositories.audits.get(audit_id) if audit_id else None
    fingerprint = "" if parsed.faults else report_hash(report)
    if audit is not None:
        audit.refuse_repetition(fingerprint)
    looked_up, auditors = repositories.register.look_up(parsed.content), repositories.auditors.find(team)
    facts = Facts(
        standard=standard,
        body=body,
        auditors=auditors,
        submitting_body=submitting_body,
        today=today,
        audited_by=audited_by,
        recommendations=RECOMMENDATIONS_1,
        register=looked_up.register,
        all_told=looked_up.all_told,
    )
    wrong = parsed.with_content_faults(faults(parsed.content, facts)) + wrong_besides
    if wrong:
        raise _invalid(wrong, parsed.untold)
    assert standard is not None and body is not None
    summary = summarise(parsed.content, standard)
    missing = () if repositories.register.take_unknown else looked_up.register.unknown(parsed.content)
    return ValidReport(
        audit=audit or Audit(id=audit_id_of(summary.body_id, summary.report_id), summary=summary),
        summary=summary,
        report_hash=fingerprint,
        reliance=Reliance(standard=standard, body=body, team=auditors, register=looked_up.register),
        missing=missing,
        asked_at=looked_up.asked_at,
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
