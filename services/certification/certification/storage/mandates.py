"""What the Secretariat signed, in the database and in this process's memory."""

import datetime
from collections.abc import Mapping
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
        """Those for such audits that are in force on that day or come into force later."""
        filter = {
            "standards": standard_name(audit.standard),
            "rule_set": rule_set,
            "valid_until": {"$gte": day.isoformat()},
        }
        return tuple(_mandate(document) for document in self._unit.find("mandates", filter))

    def add(self, mandate: Mandate) -> None:
        self._unit.save("mandates", _document(mandate))


class MandateCache:
    """The mandates that this process has read, by standard and rule set: of one database.

    A mandate never changes and cannot be revoked, so none grows stale; whether one is in force is asked anew each time.
    That others were signed since can only matter where those that are known give no authority: a later one is never
    named while an older one fits.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[str, int], tuple[Mandate, ...]] = {}

    def unexpired(self, audit: Audit, *, rule_set: int, day: datetime.date, mandates: Mandates) -> tuple[Mandate, ...]:
        """Those for such audits that are known; where none of them gives authority over this one, those in `mandates`.

        Nothing read is nothing to remember: one may be signed.
        """
        key = standard_name(audit.standard), rule_set
        known = self._read.get(key, ())
        if authority_for(audit, rule_set=rule_set, day=day, mandates=known) is not None:
            return known
        if read := mandates.unexpired(audit, rule_set=rule_set, day=day):
            self._read[key] = read
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
        version=document["version"],
    )
