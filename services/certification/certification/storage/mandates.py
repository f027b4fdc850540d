"""What the Secretariat signed, in the database and in this process's memory."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from certification.domain.audits import Audit, standard_name
from certification.domain.mandates import Mandate, authority_for
from touchstone_contracts.topology import Index

INDEXES = (Index(collection="mandates", keys=[("standards", 1), ("rule_set", 1), ("valid_until", 1)]),)


class Mandates:
    def __init__(self, unit: Any):
        self._unit = unit

    def get(self, mandate_id: str) -> Mandate | None:
        document = self._unit.find_one("mandates", {"_id": mandate_id})
        return _mandate(document) if document else None

    def unexpired(self, audit: Audit, *, rule_set: int, day: datetime.date) -> tuple[Mandate, ...]:
        """Those for such audits that are in force on that day or come into force later, and were not ended."""
        filter = {
            "standards": standard_name(audit.standard),
            "rule_set": rule_set,
            "valid_until": {"$gte": day.isoformat()},
        }
        found = (_mandate(document) for document in self._unit.find("mandates", filter))
        return tuple(mandate for mandate in found if mandate.lasts_beyond(day))

    @staticmethod
    def query_by_ids(ids: Sequence[str]) -> tuple[str, dict[str, Any], None, int]:
        return "mandates", {"_id": {"$in": list(ids)}}, None, 0

    def by_ids(self, ids: Sequence[str]) -> tuple[Mandate, ...]:
        return tuple(_mandate(document) for document in self._unit.find("mandates", {"_id": {"$in": list(ids)}}))

    def save(self, mandate: Mandate) -> None:
        self._unit.save("mandates", _document(mandate))


class MandateCache:
    """Which mandates this process has read for each standard: of one database.

    Only their ids are known: each time they are read again, since one may have been ended, together with what else a
    case needs. That others were signed since can only matter where those that are known give no authority: a later one
    is never named while an older one fits.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def questions(self, audit: Audit) -> list[tuple[str, dict[str, Any], None, int]]:
        """What is going to be asked for such an audit, if any is known."""
        known = self._known.get(standard_name(audit.standard))
        return [Mandates.query_by_ids(known)] if known else []

    def unexpired(self, audit: Audit, *, rule_set: int, day: datetime.date, mandates: Mandates) -> tuple[Mandate, ...]:
        """Those for such audits that are known; where none of them gives authority over this one, those in `mandates`.

        Nothing read is nothing to remember: one may be signed.
        """
        standard = standard_name(audit.standard)
        if ids := self._known.get(standard):
            known = tuple(m for m in mandates.by_ids(ids) if m.rule_set == rule_set and m.lasts_beyond(day))
            if authority_for(audit, rule_set=rule_set, day=day, mandates=known) is not None:
                return known
        if read := mandates.unexpired(audit, rule_set=rule_set, day=day):
            self._known[standard] = tuple(mandate.id for mandate in read)
        return read


def _document(mandate: Mandate) -> dict[str, Any]:
    return {
        "_id": mandate.id,
        "version": mandate.version,
        "schema_version": 1,
        "rule_set": mandate.rule_set,
        "standards": list(mandate.standards),
        "valid_from": mandate.valid_from.isoformat(),
        "valid_until": mandate.valid_until.isoformat(),
        "signed_by": mandate.signed_by,
        "signed_at": mandate.signed_at,
        "ended_at": mandate.ended_at,
        "ended_by": mandate.ended_by,
        "end_reason": mandate.end_reason,
    }


def _mandate(document: Mapping[str, Any]) -> Mandate:
    return Mandate(
        id=document["_id"],
        rule_set=document["rule_set"],
        standards=tuple(document["standards"]),
        valid_from=datetime.date.fromisoformat(document["valid_from"]),
        valid_until=datetime.date.fromisoformat(document["valid_until"]),
        signed_by=document["signed_by"],
        signed_at=document["signed_at"],
        ended_at=document.get("ended_at"),  # 0.1 wrote none
        ended_by=document.get("ended_by"),
        end_reason=document.get("end_reason"),
        version=document["version"],
    )
