"""Takes a report that a body hands in, and accepts it where its standard's configuration says so."""

import datetime
from typing import Any

from assessment.application.submission_validation import Repositories, validate_submission
from assessment.domain.audits.audit import Audit
from assessment.domain.standards import Acceptance
from assessment.storage.jobs import Jobs


def submit(
    report: Any, repositories: Repositories, jobs: Jobs, *, body_id: str | None, by: str, at: datetime.datetime
) -> Audit:
    """What names something unknown is taken and waits, while not all is here that membership has told.

    Raises InvalidReport, AlreadyExists or IllegalTransition.
    """
    valid = validate_submission(report, repositories, body_id=body_id, at=at)
    audit = valid.audit
    events = audit.submit(
        valid.summary, valid.report_hash, by=by, at=at, missing=valid.missing, asked_at=valid.asked_at
    )
    if audit.waits_for:
        jobs.look_again(audit.id, now=at)
    elif valid.reliance.standard.acceptance is Acceptance.AUTOMATIC:
        events += audit.accept_by_configuration(at=at, on=valid.reliance)
    repositories.audits.save(audit, events, report)
    return audit
