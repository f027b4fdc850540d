"""The register in the database: certificates, and the sequence of their numbers."""

import datetime
from collections.abc import Mapping
from typing import Any

from certification.domain.certificates.certificate import Certificate, Status, certificate_id
from certification.domain.certificates.record import CertificateRecord, UnsoundCertificate, scope_key
from certification.domain.certificates.timeline import Step
from certification.storage.unit_of_work import Question
from certification.storage.values import dump, load
from touchstone_contracts.bookkeeping import SEQUENCES
from touchstone_contracts.topology import Index
from touchstone_contracts.values import CertificateState

INDEXES = (
    Index(collection="certificates", keys=[("number", 1)], unique=True),
    Index(collection="certificates", keys=[("audit_id", 1)], unique=True),
    Index(
        collection="certificates",
        keys=[("entity_id", 1), ("standard_code", 1), ("scope_key", 1)],
        unique=True,
        partial={"open": True},
    ),
    Index(collection="certificates", keys=[("entity_id", 1), ("standard_code", 1), ("expires_on", 1)]),
    Index(collection="certificates", keys=[("member_id", 1), ("number", 1)]),
    Index(collection="certificates", keys=[("standard_code", 1), ("open", 1), ("number", 1)]),
    # Lists by status, which are for everybody: they must not read past what expired in all the years before.
    Index(collection="certificates", keys=[("open", 1), ("number", 1)]),
    Index(collection="certificates", keys=[("expires_on", 1)], partial={"open": True}),
    Index(collection="certificates", keys=[("issued_on", 1)]),
    # Few among all that are in force, or have ended in all the years.
    Index(collection="certificates", keys=[("suspended", 1), ("number", 1)], partial={"suspended": True}),
    Index(collection="certificates", keys=[("withdrawn", 1), ("number", 1)], partial={"withdrawn": True}),
)
_SEQUENCE = "certificates"
OPEN_MAX = 1_000
"""More open certificates of one entity and standard than there are facilities of any."""


class Certificates:
    def __init__(self, unit: Any):
        self._unit = unit

    def by_number(self, number: int) -> Certificate | None:
        return self._one({"number": number})

    def by_id(self, id: str) -> Certificate | None:
        return self._one({"_id": id})

    def open_ones(self, entity_id: str, standard_code: str) -> list[Certificate]:
        """The open certificates for this entity and standard; they may have lapsed by date since."""
        key = {"entity_id": entity_id, "standard_code": standard_code, "open": True}
        return [certificate_of(found) for found in self._unit.find("certificates", key, limit=OPEN_MAX)]

    def has_valid(self, entity_id: str, standard_code: str, day: datetime.date) -> bool:
        key = {"entity_id": entity_id, "standard_code": standard_code, "expires_on": {"$gte": day.isoformat()}}
        found = self._unit.find("certificates", key, limit=OPEN_MAX)
        return any(certificate_of(one).status_on(day) is Status.VALID for one in found)

    @staticmethod
    def query_counter() -> Question:
        """What `next_number` reads."""
        return (SEQUENCES, {"_id": _SEQUENCE}, None, 1)

    def next_number(self, *, first: int) -> int:
        return self._unit.next_number(_SEQUENCE, first=first)

    def reserve_number(self, number: int, *, first: int) -> None:
        self._unit.reserve_number(_SEQUENCE, number, first=first)

    def enter(self, certificate: Certificate, planned: CertificateRecord, events: list[Any]) -> None:
        """Enter a new certificate, once what would be read back equals what was planned; else UnsoundCertificate."""
        read_back = certificate_of(certificate_document(certificate))
        if read_back.record != planned or certificate.id != certificate_id(planned.number):
            raise UnsoundCertificate(f"certificate {planned.number} is not what was planned")
        self.save(certificate, events)

    def save(self, certificate: Certificate, events: list[Any]) -> None:
        """With its record, whatever `events` tell."""
        self._unit.save("certificates", certificate_document(certificate), [*events, certificate.recorded()])

    def listed(
        self,
        *,
        today: datetime.date,
        member_id: str | None,
        standard_code: str | None,
        status: Status | None,
        after: int,
        limit: int,
    ) -> list[Certificate]:
        """Certificates by number, from the one after `after`."""
        named = {"member_id": member_id, "standard_code": standard_code}
        filter = {name: value for name, value in named.items() if value is not None} | {"number": {"$gt": after}}
        found = {
            document["number"]: document
            for part in _parts_of(status, today)
            for document in self._unit.find("certificates", filter | part, sort=_order(filter | part), limit=limit)
        }
        return [certificate_of(found[number]) for number in sorted(found)[:limit]]

    def _one(self, filter: Mapping[str, Any]) -> Certificate | None:
        document = self._unit.find_one("certificates", filter)
        return certificate_of(document) if document else None


def _order(filter: Mapping[str, Any]) -> list[tuple[str, int]]:
    """By number, in the order of an index for what is asked for: by number alone, the database may read all of them."""
    few = [name for name in ("suspended", "withdrawn") if filter.get(name) is True]
    if not few and not isinstance(filter.get("open"), bool):
        return [("number", 1)]
    alike = ["member_id"] if "member_id" in filter else [n for n in ("standard_code", "open") if n in filter]
    return [(name, 1) for name in [*(few or alike), "number"]]


def _parts_of(status: Status | None, today: datetime.date) -> list[dict[str, Any]]:
    """Filters that together find what has this status, none of which reads past all that expired before.

    The day decides; `open` only follows it, minutes later: what has expired is closed, or is one of the few that are
    about to be.
    """
    on = today.isoformat()
    if status is Status.VALID:
        in_force = {"open": True, "issued_on": {"$lte": on}, "expires_on": {"$gte": on}}
        return [in_force | {"suspended": {"$ne": True}}]
    if status is Status.SUSPENDED:
        return [{"open": True, "suspended": True, "expires_on": {"$gte": on}}]
    if status is Status.WITHDRAWN:
        return [{"open": False, "withdrawn": True}]
    if status is Status.EXPIRED:
        # In this order, what is closed in between is found twice and not missed.
        ended = {"expires_on": {"$lt": on}, "withdrawn": {"$ne": True}}
        return [{"open": is_open} | ended for is_open in (True, False)]
    return [{"issued_on": {"$gt": on}} if status is Status.NOT_YET_VALID else {"open": {"$in": [False, True]}}]


def certificate_document(certificate: Certificate) -> dict[str, Any]:
    """`record` is what is on record; the fields beside it are for indexes."""
    record = certificate.record
    return {
        "_id": certificate.id,
        "version": certificate.version,
        "schema_version": 1,
        "open": certificate.open,
        "expiry_announced": certificate.expiry_announced,
        "suspended": certificate.open and certificate.history[-1].state is CertificateState.SUSPENDED,
        "withdrawn": certificate.withdrawn,
        "number": record.number,
        "audit_id": certificate.first_audit_id,
        "member_id": record.member_id,
        "entity_id": record.entity.id,
        "standard_code": record.standard.code,
        "scope_key": scope_key(record.scope),
        "issued_on": record.issued_on.isoformat(),
        "expires_on": record.expires_on.isoformat(),
        "record": dump(record),
        "steps": [dump(step) for step in certificate.steps],
    }


def certificate_of(document: Mapping[str, Any]) -> Certificate:
    return Certificate(
        id=document["_id"],
        record=load(CertificateRecord, document["record"]),
        first_audit_id=document["audit_id"],
        open=document["open"],
        expiry_announced=document["expiry_announced"],
        steps=tuple(load(Step, step) for step in document.get("steps", [])),  # earlier releases wrote none
        version=document["version"],
    )
