"""Ends a certificate whose last day has passed, and wakes the cases that its validity held up."""

import datetime
from typing import Any

from certification.storage.certificates import Certificates
from certification.storage.jobs import Jobs


class CertificateExpiry:
    def __init__(self, unit: Any):
        self._certificates, self._jobs = Certificates(unit), Jobs(unit)

    def expire(self, certificate_id: str, correlation_id: str, *, now: datetime.datetime) -> None:
        certificate = self._certificates.by_id(certificate_id)
        if certificate is None or certificate.expiry_announced or certificate.withdrawn:
            return
        events = certificate.expire(now.date())
        if events:
            self._certificates.save(certificate, events)
            self._jobs.wake({"entity_id": certificate.record.entity.id}, at=now)
        else:  # it lasts longer than it did when this was set, or the clock of a sandbox was set back
            self._jobs.expire(certificate, correlation_id)
