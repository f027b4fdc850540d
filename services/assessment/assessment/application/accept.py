"""Accepts a submitted report, if what it names is as it says, and body and team are still accredited for its audit."""

import datetime

from assessment.application.submission_validation import Repositories, recheck
from assessment.domain.audits.audit import Audit


def accept(audit: Audit, repositories: Repositories, *, by: str, at: datetime.datetime) -> None:
    """Raises IllegalTransition, DecisionNotImpartial, InvalidReport or NotKnownYet."""
    repositories.surroundings.read_for_acceptance(audit)
    wanted = audit.summary.standard
    standard = repositories.catalogue(at.date()).get(wanted.code, wanted.version)
    body = repositories.bodies.get(audit.summary.body_id)
    assert body is not None
    audit.refuse_acceptance(by)
    reliance = recheck(repositories.audits.report(audit), repositories, standard=standard, body=body)
    repositories.audits.save(audit, audit.accept(by=by, at=at, on=reliance))
