"""Enters a past report with its published certificate."""

import datetime
from typing import Any

from assessment.application.submission_validation import Repositories, validate_import
from assessment.domain.audits.audit import Audit


def import_report(report: Any, history: Any, repositories: Repositories, *, by: str, at: datetime.datetime) -> Audit:
    """Raises InvalidReport, NotKnownYet, AlreadyExists or IllegalTransition."""
    valid, past = validate_import(report, history, repositories, today=at.date())
    audit = valid.audit
    events = audit.admit(valid.summary, valid.report_hash, past, by=by, at=at, on=valid.reliance)
    repositories.audits.save(audit, events, report)
    return audit
