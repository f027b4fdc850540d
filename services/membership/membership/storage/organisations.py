"""Organisations as documents."""

import datetime
from collections.abc import Sequence
from typing import Any

from membership.domain.organisations.organisation import Change, Organisation, State
from membership.storage.unit_of_work import Unit

ORGANISATIONS = "organisations"
COLLECTIONS = (ORGANISATIONS,)


class Organisations:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Organisation | None:
        document = self._unit.find_one(ORGANISATIONS, {"_id": id})
        return _organisation(document) if document else None

    def page(self, *, limit: int, after: str | None) -> list[Organisation]:
        """At most `limit` organisations by id, beginning behind `after`."""
        found = self._unit.find(ORGANISATIONS, {"_id": {"$gt": after or ""}}, sort=[("_id", 1)], limit=limit)
        return [_organisation(document) for document in found]

    def save(self, organisation: Organisation, events: Sequence[Any]) -> None:
        """With its record, whatever `events` tell."""
        document = {
            "_id": organisation.id,
            "version": organisation.version,
            "schema_version": 1,
            "legal_name": organisation.legal_name,
            "member_class": organisation.member_class,
            "country": organisation.country,
            "state": organisation.state.value,
            "joined_on": _iso(organisation.joined_on),
            "first_certification_due_on": _iso(organisation.first_certification_due_on),
            "obligations_hash": organisation.obligations_hash,
            "suspension_reasons": list(organisation.suspension_reasons),
            "history": [
                {"state": change.state.value, "at": change.at, "by": change.by, "reasons": list(change.reasons)}
                for change in organisation.history
            ],
        }
        self._unit.save(ORGANISATIONS, document, [*events, organisation.recorded()])


def _iso(day: datetime.date | None) -> str | None:
    return day.isoformat() if day else None


def _day(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if text else None


def _organisation(document: dict[str, Any]) -> Organisation:
    return Organisation(
        id=document["_id"],
        legal_name=document["legal_name"],
        member_class=document["member_class"],
        country=document["country"],
        state=State(document["state"]),
        joined_on=_day(document["joined_on"]),
        first_certification_due_on=_day(document["first_certification_due_on"]),
        obligations_hash=document.get("obligations_hash"),
        suspension_reasons=tuple(document["suspension_reasons"]),
        history=tuple(
            Change(state=State(row["state"]), at=row["at"], by=row["by"], reasons=tuple(row["reasons"]))
            for row in document["history"]
        ),
        version=document["version"],
    )
