"""Certificates: what is on record of one, what makes it sound, and its status on a day."""

import dataclasses
import datetime
import enum
from typing import Any

from touchstone_contracts.events.certification import CertificateExpired, CertificateIssued
from touchstone_contracts.registry import value
from touchstone_contracts.values import Level, Place, Scope, Standard


class UnsoundCertificate(Exception):
    """What was about to be issued contradicts itself or its plan; nothing may be stored or announced."""


class Status(enum.Enum):
    """Computed from dates whenever it is read, never stored."""

    NOT_YET_VALID = "not_yet_valid"
    VALID = "valid"
    EXPIRED = "expired"


@value
class CertificateRecord:
    """Everything on record of a certificate; never changed once issued.

    `certificate_version` counts the issues under one number. `source` names where an imported one was published.
    """

    number: int
    level: Level
    standard: Standard
    member_id: str
    member_name: str
    entity: Place
    body_id: str
    body_name: str
    scope: Scope
    audit_id: str
    issued_on: datetime.date
    expires_on: datetime.date
    certified_since: datetime.date
    rule_set: int
    row: str
    decided_by: str
    decided_at: datetime.datetime
    certificate_version: int = 1
    notify: bool = True
    source: str | None = None


@dataclasses.dataclass(kw_only=True)
class Certificate:
    """One certificate. `open`: not yet closed by expiry; at most one is open per entity, standard and scope.

    `expiry_announced`: its CertificateExpired has been emitted; that happens once.
    """

    id: str
    record: CertificateRecord
    open: bool
    expiry_announced: bool = False
    version: int = 0

    def lapsed(self, today: datetime.date) -> bool:
        return today > self.record.expires_on

    def status_on(self, day: datetime.date) -> Status:
        if day < self.record.issued_on:
            return Status.NOT_YET_VALID
        return Status.EXPIRED if self.lapsed(day) else Status.VALID

    def expire(self, today: datetime.date) -> list[Any]:
        """Close the certificate once its last day has passed; nothing happens before that, or a second time.

        Nobody is told of the end of one that had lapsed when it was entered (imported history): that is no news.
        """
        if self.expiry_announced or not self.lapsed(today):
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


def scope_key(scope: Scope) -> str:
    """What makes two scopes of an entity the same: their type and facilities; without facilities, their activities.

    A product or programme is told from another by its words. The wording of other scopes does not matter.
    """
    parts = sorted(place.id for place in scope.facilities) or sorted(scope.activities)
    if scope.type == "product_program":
        parts = [*parts, " ".join(scope.text.casefold().split())]
    return "|".join([scope.type, *parts])


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


def check(record: CertificateRecord) -> None:
    """Raise UnsoundCertificate, naming every contradiction, when the record may not be issued."""
    faults = [
        fault
        for fault, wrong in {
            "its number is not positive": record.number < 1,
            "it expires before it is issued": record.expires_on < record.issued_on,
            "it is certified since a later day than its issue": record.certified_since > record.issued_on,
            "it names no decider": not record.decided_by,
            "it names no holder": not record.member_name,
        }.items()
        if wrong
    ]
    if faults:
        raise UnsoundCertificate(f"certificate {record.number}: {'; '.join(faults)}")
