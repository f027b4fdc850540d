"""What is on record of a certificate, what makes it sound, and what makes two scopes the same."""

import datetime

from touchstone_contracts.registry import value
from touchstone_contracts.values import Level, Place, Scope, Standard


class UnsoundCertificate(Exception):
    """What was about to be issued contradicts itself or its plan; nothing may be stored or announced."""


@value
class CertificateRecord:
    """Everything on record of a certificate as it is; a change of it makes another record.

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


def scope_key(scope: Scope) -> str:
    """What makes two scopes of an entity the same: their type and facilities; without facilities, their activities.

    A product or programme is told from another by its words. The wording of other scopes does not matter.
    """
    parts = sorted(place.id for place in scope.facilities) or sorted(scope.activities)
    if scope.type == "product_program":
        parts = [*parts, " ".join(scope.text.casefold().split())]
    return "|".join([scope.type, *parts])
