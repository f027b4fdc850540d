"""Looks again for what a submitted report names and was not known: it goes on, goes back to its body, or waits on."""

import datetime

from assessment.application.submission_validation import Repositories
from assessment.domain.audits.audit import BY_CONFIGURATION, State
from assessment.domain.audits.reliance import Reliance
from assessment.domain.report_checks.register import register_faults
from assessment.domain.standards import Acceptance
from assessment.schemas.report_parsing import parse_report
from assessment.storage.jobs import Jobs


def look_again(audit_id: str, repositories: Repositories, jobs: Jobs, *, at: datetime.datetime) -> None:
    """Of an audit that waits no more, nothing comes."""
    audit = repositories.audits.get(audit_id)
    if audit is None or audit.state is not State.SUBMITTED or not audit.waits_for:
        return
    report = parse_report(repositories.audits.report(audit)).content
    looked_up = repositories.register.look_up(report, since=audit.asked_at)
    wrong = list(register_faults(report, looked_up.register, all_told=looked_up.all_told))
    if wrong:
        reasons = tuple(f"{fault.path}: {fault.message}" for fault in wrong)
        events = audit.return_to_body(reasons, by=BY_CONFIGURATION, at=at)
    elif looked_up.register.unknown(report):
        events = audit.wait_on(at=at)
        jobs.look_again(audit_id, now=at)
    else:
        events = audit.wait_no_more()
        wanted = audit.summary.standard
        standard = repositories.catalogue(at.date()).get(wanted.code, wanted.version)
        body = repositories.bodies.get(audit.summary.body_id)
        team = repositories.auditors.find(audit.summary.team)
        if standard.acceptance is Acceptance.AUTOMATIC and body is not None:
            reliance = Reliance(standard=standard, body=body, team=team, register=looked_up.register)
            events += audit.accept_by_configuration(at=at, on=reliance)
    if events:  # each version of an audit is announced
        repositories.audits.save(audit, events)
