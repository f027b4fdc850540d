"""Accepts a submitted report, if body and team are still accredited for its audit."""

import datetime

from assessment.application.submission_validation import Repositories, recheck_accreditation
from assessment.domain.audits.audit import Audit


def accept(audit: Audit, repositories: Repositories, *, by: str, at: datetime.datetime) -> None:
    """Raises IllegalTransition, DecisionNotImpartial or InvalidReport."""
    repositories.surroundings.read_for_acceptance(audit)
    wanted = audit.summary.standard
    standard = repositories.catalogue(at.date()).get(wanted.code, wanted.version)
    body = repositories.bodies.get(audit.summary.body_id)
    assert body is not None
    events = audit.accept(by=by, at=at, standard=standard, body_name=body.name)
    recheck_accreditation(repositories.audits.report(audit), repositories, standard=standard, body=body)
    repositories.audits.save(audit, events)
