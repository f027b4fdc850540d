"""Issues the certificate of a decided case: write down, issue, verify, store, announce."""

import datetime
from typing import Any

from certification.domain.audits import Audit
from certification.domain.cases.case import Case
from certification.domain.cases.verdict import Verdict
from certification.domain.certificates.certificate import Certificate, issue
from certification.storage.cases import Cases
from certification.storage.certificates import Certificates
from certification.storage.jobs import Jobs

PERFORMANCE_STANDARD = "PS"
"""Code of the standard whose certificate others of the same entity may need."""


class CertificateIssue:
    def __init__(self, unit: Any):
        self._cases, self._certificates, self._jobs = Cases(unit), Certificates(unit), Jobs(unit)

    def issue(
        self, case: Case, verdict: Verdict, held: Certificate | None, *, first_number: int, now: datetime.datetime
    ) -> None:
        """Write down what is to be issued, issue it, verify that it is what was planned, store, announce.

        `held` is the open certificate for the same entity, standard and scope; it may have lapsed by date.
        """
        assert verdict.authority is not None
        today = now.date()
        planned = case.certify(
            verdict.evaluation,
            verdict.authority,
            member_name=verdict.member.profile.legal_name,
            number=self._number(case.audit, first_number),
            now=now,
        )
        certificate, announced = issue(planned, today=today)
        alone = case.opened_alone
        # First of all the case: a second message about the same audit meets it, and not the register's indexes.
        self._cases.save(case, [])
        if held is not None and certificate.open:
            self._certificates.save(held, held.expire(today))
        self._certificates.enter(certificate, planned, announced)
        self._jobs.expire(certificate, case.correlation_id)
        if not alone:  # a Chain of Custody audit waits for the other standard, what follows a certificate for that
            self._jobs.wake({"entity_id": planned.entity.id}, at=now)

    def _number(self, audit: Audit, first: int) -> int:
        if audit.history and audit.history.number is not None:
            self._certificates.reserve_number(audit.history.number, first=first)
            return audit.history.number
        return self._certificates.next_number(first=first)
