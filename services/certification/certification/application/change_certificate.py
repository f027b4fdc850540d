"""Changes the certificate that a decided case is about: write down, change, store, announce, wake who waited."""

import datetime
from typing import Any

from certification.domain.audits import notifies
from certification.domain.cases.case import Case
from certification.domain.cases.change import Change, apply
from certification.domain.cases.verdict import Verdict
from certification.domain.certificates.certificate import Certificate
from certification.domain.rules.rule_set import Outcome
from certification.storage.cases import Cases
from certification.storage.certificates import Certificates
from certification.storage.jobs import Jobs


class CertificateChange:
    def __init__(self, unit: Any):
        self._cases, self._certificates, self._jobs = Cases(unit), Certificates(unit), Jobs(unit)

    def change(self, case: Case, verdict: Verdict, held: Certificate, *, now: datetime.datetime) -> None:
        """Decide the case, and do to the open certificate `held` what that decision says."""
        assert verdict.authority is not None and verdict.evaluation.rule_set is not None
        evaluation, audit, name = verdict.evaluation, case.audit, verdict.member.profile.legal_name
        number = held.record.number
        case.conclude(evaluation, verdict.authority, member_name=name, number=number, now=now)
        change = Change(
            outcome=evaluation.outcome,
            audit_type=audit.audit_type,
            audit_id=audit.audit_id,
            body_id=audit.body_id,
            body_name=audit.body_name,
            scope=audit.scope,
            on=evaluation.on,
            at=now,
            by=verdict.authority.name,
            rule_set=verdict.evaluation.rule_set,
            row=evaluation.row,
            reasons=evaluation.reasons,
            expires_on=evaluation.expires_on,
            notify=notifies(audit),
        )
        ended_on = held.record.expires_on
        events = apply(held, change)
        self._cases.save(case, [])
        self._certificates.save(held, events)
        if not held.open:
            self._jobs.forget_expiry(held)
        elif held.record.expires_on != ended_on:
            self._jobs.expire(held, case.correlation_id)
        if evaluation.outcome is not Outcome.MAINTAINED:
            self._jobs.wake({"entity_id": audit.entity.id}, at=now)
