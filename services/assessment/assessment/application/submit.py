"""Takes a report that a body hands in, and accepts it where its standard's configuration says so."""

import datetime
from typing import Any

from assessment.application.submission_validation import Repositories, validate_submission
from assessment.domain.audits.audit import Audit
from assessment.domain.standards import Acceptance


def submit(report: Any, repositories: Repositories, *, body_id: str | None, by: str, at: datetime.datetime) -> Audit:
    """Raises InvalidReport, AlreadyExists or IllegalTransition."""
    valid = validate_submission(report, repositories, body_id=body_id, at=at)
    audit, standard = valid.audit, valid.standard
    events = audit.submit(valid.summary, valid.report_hash, by=by, at=at)
    if standard.acceptance is Acceptance.AUTOMATIC:
        events += audit.accept_by_configuration(at=at, standard=standard, body_name=valid.body_name)
    repositories.audits.save(audit, events, report)
    return audit
