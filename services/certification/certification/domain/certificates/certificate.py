"""Certificates: issued from a checked record, changed by decisions, expired once, and their status on a day."""

import dataclasses
import datetime
import enum
from typing import Any

from certification.domain.certificates.record import CertificateRecord, check
from certification.domain.certificates.timeline import Step, first_step, state_on, timeline
from touchstone_contracts.events.certification import CertificateExpired, CertificateIssued, CertificateRecorded
from touchstone_contracts.values import CertificateState, StatusPeriod


class Status(enum.Enum):
    """Computed from dates whenever it is read, never stored."""

    NOT_YET_VALID = "not_yet_valid"
    VALID = "valid"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


_STATUS = {
    CertificateState.NOT_YET_ISSUED: Status.NOT_YET_VALID,
    CertificateState.VALID: Status.VALID,
    CertificateState.PROVISIONAL: Status.VALID,
    CertificateState.SUSPENDED: Status.SUSPENDED,
    CertificateState.WITHDRAWN: Status.WITHDRAWN,
    CertificateState.EXPIRED: Status.EXPIRED,
}


@dataclasses.dataclass(kw_only=True)
class Certificate:
    """One certificate. `open`: not yet closed by expiry or withdrawal; at most one is open per entity, standard and
    scope.

    `record` is its present version; `steps` are the states that it went through, none while it is as it was issued.
    `first_audit_id`: the audit that its number was given after, whatever it rests on now.
    `expiry_announced`: its CertificateExpired has been emitted; that happens once.
    """

    id: str
    record: CertificateRecord
    open: bool
    expiry_announced: bool = False
    steps: tuple[Step, ...] = ()
    first_audit_id: str = ""
    version: int = 0

    def __post_init__(self) -> None:
        self.first_audit_id = self.first_audit_id or self.record.audit_id

    @property
    def history(self) -> tuple[Step, ...]:
        """Its states since it was issued; never empty."""
        return self.steps or (first_step(self.record),)

    @property
    def withdrawn(self) -> bool:
        return self.history[-1].state is CertificateState.WITHDRAWN

    @property
    def timeline(self) -> list[StatusPeriod]:
        return timeline(self.history, self.record.expires_on)

    def lapsed(self, today: datetime.date) -> bool:
        return today > self.record.expires_on

    def state_on(self, day: datetime.date) -> CertificateState:
        return state_on(self.timeline, day)

    def status_on(self, day: datetime.date) -> Status:
        return _STATUS[self.state_on(day)]

    def recorded(self) -> CertificateRecorded:
        """The certificate as it is on record now. Whom it was told is no part of it."""
        record = self.record
        return CertificateRecorded(
            certificate_id=self.id,
            number=record.number,
            certificate_version=record.certificate_version,
            level=record.level,
            standard=record.standard,
            member_id=record.member_id,
            member_name=record.member_name,
            entity=record.entity,
            body_id=record.body_id,
            body_name=record.body_name,
            scope=record.scope,
            audit_id=record.audit_id,
            issued_on=record.issued_on,
            expires_on=record.expires_on,
            certified_since=record.certified_since,
            decided_by=record.decided_by,
            decided_at=record.decided_at,
            rule_set=record.rule_set,
            row=record.row,
            source=record.source,
            timeline=self.timeline,
        )

    def expire(self, today: datetime.date) -> list[Any]:
        """Close the certificate once its last day has passed; nothing happens before that, a second time, or to one
        that was withdrawn.

        Nobody is told of the end of one that had lapsed when it was entered (imported history): that is no news.
        """
        if self.expiry_announced or self.withdrawn or not self.lapsed(today):
            return []
        record, notify = self.record, self.record.notify and self.open
        self.open, self.expiry_announced = False, True
        return [
            CertificateExpired(
                certificate_id=self.id,
                number=record.number,
                level=record.level,
                standard=record.standard,
                member_id=record.member_id,
                member_name=record.member_name,
                entity=record.entity,
                body_id=record.body_id,
                body_name=record.body_name,
                expired_on=record.expires_on,
                notify=notify,
            )
        ]


def certificate_id(number: int) -> str:
    return f"certificate-{number}"


def issue(record: CertificateRecord, *, today: datetime.date) -> tuple[Certificate, list[Any]]:
    """The certificate of a checked record, and the event that announces it.

    One whose last day has passed already (imported history) is closed from the start. Raises UnsoundCertificate.
    """
    check(record)
    certificate = Certificate(id=certificate_id(record.number), record=record, open=today <= record.expires_on)
    announced = CertificateIssued(
        certificate_id=certificate.id,
        number=record.number,
        level=record.level,
        standard=record.standard,
        audit_id=record.audit_id,
        member_id=record.member_id,
        member_name=record.member_name,
        entity=record.entity,
        body_id=record.body_id,
        body_name=record.body_name,
        scope_text=record.scope.text,
        issued_on=record.issued_on,
        expires_on=record.expires_on,
        certified_since=record.certified_since,
        decided_by=record.decided_by,
        notify=record.notify,
    )
    return certificate, [announced]
