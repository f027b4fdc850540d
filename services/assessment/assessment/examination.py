"""Examines a report that was handed in: its form, then its content against what assessment knows.

Everything that is wrong is answered at once. What comes out is fit to be filed.
"""

import dataclasses
import datetime
from typing import Any

from assessment import report_form
from assessment.catalogue import Catalogue
from assessment.domain.accreditation import Auditor, Body
from assessment.domain.audit import Audit, audit_id_of
from assessment.domain.checking import Facts, faults
from assessment.domain.standards import StandardVersion
from assessment.domain.summary import Summary, summarise
from assessment.domain.team import team_faults
from assessment.report_form import Draft
from assessment.store import Auditors, Audits, Bodies
from touchstone_contracts.errors import FieldError
from touchstone_contracts.values import History


@dataclasses.dataclass(frozen=True, kw_only=True)
class Known:
    """Where to look up what a report names."""

    catalogue: Catalogue
    audits: Audits
    bodies: Bodies
    auditors: Auditors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examined:
    """A report with nothing wrong in it. `audit` is the one in the register, or a new one."""

    audit: Audit
    summary: Summary
    report_hash: str
    standard: StandardVersion
    body_name: str


def examine_submission(report: Any, known: Known, *, body_id: str | None, today: datetime.date) -> Examined:
    """A body's own report. Raises InvalidReport with everything that is wrong, AlreadyExists for a repetition."""
    draft = report_form.read(report)
    return _examined(report, draft, known, [], submitting_body=body_id or "", judged_on=today, audited_by=today)


def examine_import(report: Any, history: Any, known: Known, *, today: datetime.date) -> tuple[Examined, History]:
    """A past report and what is published of its certificate, judged as of the day of issue."""
    draft = report_form.read(report)
    past, wrong = report_form.read_history(history)
    if past is not None:
        wrong = _history_faults(past, today)
    issued_on = past.issued_on if past else None
    examined = _examined(
        report, draft, known, wrong, submitting_body=None, judged_on=issued_on, audited_by=issued_on or today
    )
    assert past is not None
    return examined, past


def recheck_accreditation(report: dict[str, Any], known: Known, *, standard: StandardVersion, body: Body) -> None:
    """Raises InvalidReport where body or team are no longer accredited for the audit's days, as they were before."""
    content = report_form.read(report).content
    if wrong := list(team_faults(content, standard=standard, body=body, auditors=_team(content, known))):
        raise report_form.invalid(wrong)


def _examined(
    report: Any,
    draft: Draft,
    known: Known,
    wrong_besides: list[FieldError],
    *,
    submitting_body: str | None,
    judged_on: datetime.date | None,
    audited_by: datetime.date,
) -> Examined:
    standard = known.catalogue.find(draft.text("standard", "code"), draft.text("standard", "version"))
    body_id = draft.text("body_id")
    body = known.bodies.get(body_id) if body_id else None
    audit = _registered(draft, known, submitting_body)
    report_hash = "" if draft.faults else report_form.report_hash(report)
    if audit is not None:
        audit.refuse_repetition(report_hash)
    facts = Facts(
        standard=standard,
        body=body,
        auditors=_team(draft.content, known),
        submitting_body=submitting_body,
        judged_on=judged_on,
        audited_by=audited_by,
    )
    wrong = draft.with_content_faults(faults(draft.content, facts)) + wrong_besides
    if wrong:
        raise report_form.invalid(wrong)
    assert standard is not None and body is not None
    summary = summarise(draft.content, standard)
    return Examined(
        audit=audit or Audit(id=audit_id_of(summary.body_id, summary.report_id), summary=summary),
        summary=summary,
        report_hash=report_hash,
        standard=standard,
        body_name=body.name,
    )


def _team(content: dict[str, Any], known: Known) -> dict[str, Auditor]:
    """Those of the team that are registered, by id."""
    return known.auditors.find(m["auditor_id"] for m in content.get("team", ()) if "auditor_id" in m)


def _registered(draft: Draft, known: Known, submitting_body: str | None) -> Audit | None:
    """The audit that the report belongs to, if there is one and the caller may speak of it."""
    body_id, report_id = draft.text("body_id"), draft.text("report_id")
    if body_id is None or report_id is None or submitting_body not in (None, body_id):
        return None
    return known.audits.get(audit_id_of(body_id, report_id))


def _history_faults(history: History, today: datetime.date) -> list[FieldError]:
    wrong = []
    if history.issued_on > today:
        message = f"{history.issued_on} is still to come: only the past is imported."
        wrong.append(FieldError("history.issued_on", "date_order", message))
    if history.certified_since is not None and history.certified_since > history.issued_on:
        message = "An unbroken certification cannot begin after the day of issue."
        wrong.append(FieldError("history.certified_since", "date_order", message))
    return wrong
