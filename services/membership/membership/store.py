"""Organisations, entities, facilities and contacts as documents."""

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any, Protocol

from membership.domain import Change, Contact, ContactDetails, Entity, Facility, Organisation, State
from touchstone_contracts.values import Party, PartyKind

ORGANISATIONS, ENTITIES, FACILITIES, CONTACTS = "organisations", "entities", "facilities", "contacts"


class Unit(Protocol):
    """What a store needs of a unit of work."""

    def find_one(self, collection: str, filter: dict[str, Any]) -> dict[str, Any] | None: ...

    def find(
        self,
        collection: str,
        filter: dict[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Any = None,
    ) -> list[dict[str, Any]]: ...

    def save(self, collection: str, document: dict[str, Any], events: Sequence[Any] = ()) -> None: ...


class Organisations:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Organisation | None:
        document = self._unit.find_one(ORGANISATIONS, {"_id": id})
        return _organisation(document) if document else None

    def page(self, *, limit: int, after: str | None) -> list[Organisation]:
        """At most `limit` organisations by id, beginning behind `after`."""
        found = self._unit.find(ORGANISATIONS, _behind(after), sort=[("_id", 1)], limit=limit)
        return [_organisation(document) for document in found]

    def save(self, organisation: Organisation, events: Sequence[Any]) -> None:
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
            "suspension_reasons": list(organisation.suspension_reasons),
            "history": [
                {"state": change.state.value, "at": change.at, "by": change.by, "reasons": list(change.reasons)}
                for change in organisation.history
            ],
        }
        self._unit.save(ORGANISATIONS, document, events)


class Entities:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Entity | None:
        document = self._unit.find_one(ENTITIES, {"_id": id})
        return _entity(document) if document else None

    def of_member(self, member_id: str) -> list[Entity]:
        return [_entity(d) for d in self._unit.find(ENTITIES, {"member_id": member_id}, sort=[("_id", 1)])]

    def save(self, entity: Entity) -> None:
        self._unit.save(ENTITIES, _place_document(entity), entity.announce())


class Facilities:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Facility | None:
        document = self._unit.find_one(FACILITIES, {"_id": id})
        return _facility(document) if document else None

    def of_member(self, member_id: str) -> list[Facility]:
        return [_facility(d) for d in self._unit.find(FACILITIES, {"member_id": member_id}, sort=[("_id", 1)])]

    def save(self, facility: Facility) -> None:
        self._unit.save(FACILITIES, _place_document(facility), facility.announce())


class Contacts:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Contact | None:
        document = self._unit.find_one(CONTACTS, {"_id": id})
        return _contact(document) if document else None

    def page(self, party: Party, *, limit: int = 0, after: str | None = None) -> list[Contact]:
        """The contacts of `party` by id, beginning behind `after`; all of them for a limit of 0."""
        filter = {"party.kind": party.kind.value, "party.id": party.id} | _behind(after)
        return [_contact(d) for d in self._unit.find(CONTACTS, filter, sort=[("_id", 1)], limit=limit)]

    def save(self, contact: Contact, events: Sequence[Any]) -> None:
        document = {
            "_id": contact.id,
            "version": contact.version,
            "schema_version": 1,
            "party": {"kind": contact.party.kind.value, "id": contact.party.id},
            **dataclasses.asdict(contact.details),
            "roles": list(contact.details.roles),
            "channels": list(contact.details.channels),
        }
        self._unit.save(CONTACTS, document, events)


def _behind(after: str | None) -> dict[str, Any]:
    return {"_id": {"$gt": after}} if after else {}


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
        suspension_reasons=tuple(document["suspension_reasons"]),
        history=tuple(
            Change(state=State(row["state"]), at=row["at"], by=row["by"], reasons=tuple(row["reasons"]))
            for row in document["history"]
        ),
        version=document["version"],
    )


def _place_document(place: Entity | Facility) -> dict[str, Any]:
    document = dataclasses.asdict(place) | {"activities": list(place.activities), "schema_version": 1}
    document["_id"] = document.pop("id")
    return document


def _entity(document: dict[str, Any]) -> Entity:
    return Entity(
        id=document["_id"],
        member_id=document["member_id"],
        name=document["name"],
        country=document["country"],
        activities=tuple(document["activities"]),
        version=document["version"],
    )


def _facility(document: dict[str, Any]) -> Facility:
    return Facility(
        id=document["_id"],
        entity_id=document["entity_id"],
        member_id=document["member_id"],
        name=document["name"],
        country=document["country"],
        activities=tuple(document["activities"]),
        version=document["version"],
    )


def _contact(document: dict[str, Any]) -> Contact:
    details = ContactDetails(
        name=document["name"],
        address=document["address"],
        roles=tuple(document["roles"]),
        language=document["language"],
        channels=tuple(document["channels"]),
        active=document["active"],
    )
    party = Party(kind=PartyKind(document["party"]["kind"]), id=document["party"]["id"])
    return Contact(id=document["_id"], party=party, details=details, version=document["version"])
