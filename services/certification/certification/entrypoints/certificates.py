"""The register: certificates as the public sees them, and their end."""

import functools
from typing import Any

from certification.application.expire_certificate import CertificateExpiry
from certification.presenters import certificates as present
from certification.schemas.certificates import GetCertificate, ListCertificates, VerifyCertificate
from certification.storage.certificates import Certificates
from certification.storage.jobs import EXPIRY
from touchstone_chassis.api import Job, Stored, on_job, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import NotFound
from touchstone_contracts.roles import PUBLIC


class CertificateEntrypoints:
    clock: Any
    certificates = Stored(Certificates)
    certificate_expiry = Stored(CertificateExpiry)

    @on_job(EXPIRY)
    def expire_certificate(self, job: Job) -> None:
        self.certificate_expiry.expire(job.key, job.payload["correlation_id"], now=self.clock.now())

    @query(GetCertificate(), roles=PUBLIC)
    def get_certificate(self, request: dict[str, Any], caller: Caller | None) -> dict[str, Any]:
        """The public record of a certificate, its status as of today. Errors: not_found."""
        found = self.certificates.by_number(request["number"])
        if found is None:
            raise NotFound(f"No certificate carries the number {request['number']}.")
        return present.certificate(found, today=self.clock.today())

    @query(VerifyCertificate(), roles=PUBLIC)
    def verify_certificate(self, request: dict[str, Any], caller: Caller | None) -> dict[str, Any]:
        """Whether a certificate is valid today or on another day. An unknown number is answered, as not valid."""
        found = self.certificates.by_number(request["number"])
        return present.verification(request["number"], found, on=request["on"] or self.clock.today())

    @query(ListCertificates(), roles=PUBLIC)
    def list_certificates(self, request: dict[str, Any], caller: Caller | None) -> dict[str, Any]:
        """Certificates by number: `{"items": [...], "next": cursor or null}`."""
        today, limit = self.clock.today(), request["limit"]
        found = self.certificates.listed(
            today=today,
            member_id=request["member_id"],
            standard_code=request["standard"],
            status=request["status"],
            after=int(request["after"] or 0),
            limit=limit + 1,
        )
        shown = functools.partial(present.certificate, today=today)
        return page(found, limit, shown, lambda one: str(one.record.number))
