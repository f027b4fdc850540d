"""Copies of what membership owns, the newest word of each: members, entities, facilities."""

import datetime
from collections.abc import Iterable
from typing import Any

from assessment.domain.register import Entity, Facility, Member, Register, references
from assessment.storage.unit_of_work import Question, Unit

MEMBERS, ENTITIES, FACILITIES = COLLECTIONS = ("members", "entities", "facilities")
_KINDS = {"member": MEMBERS, "entity": ENTITIES, "facility": FACILITIES}


class RegisterCopies:
    def __init__(self, unit: Unit):
        self._unit = unit

    @staticmethod
    def queries_of(report: Any) -> list[Question]:
        """What `named_in` reads."""
        return [(kept, _ids(ids), None, 0) for kept, ids in _named(report).items()]

    def named_in(self, report: Any) -> Register:
        """What is known of those that a report names, as far as the report can be read."""
        return self.known(**_named(report))

    def known(self, *, members: Iterable[str], entities: Iterable[str], facilities: Iterable[str]) -> Register:
        """Those with one of these ids that are known."""
        return Register(
            members={d["_id"]: _member(d) for d in self._unit.find(MEMBERS, _ids(members))},
            entities={d["_id"]: _entity(d) for d in self._unit.find(ENTITIES, _ids(entities))},
            facilities={d["_id"]: _facility(d) for d in self._unit.find(FACILITIES, _ids(facilities))},
        )

    def keep_member(self, member: Member) -> None:
        self._unit.upsert_read_model(MEMBERS, _document(member))

    def keep_entity(self, entity: Entity) -> None:
        self._unit.upsert_read_model(ENTITIES, _document(entity))

    def keep_facility(self, facility: Facility) -> None:
        self._unit.upsert_read_model(FACILITIES, _document(facility))


def _document(copy: Member | Entity | Facility) -> dict[str, Any]:
    document = {name: _plain(value) for name, value in vars(copy).items()}
    return {"_id": document.pop("id"), **document}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _named(report: Any) -> dict[str, set[str]]:
    named: dict[str, set[str]] = {collection: set() for collection in COLLECTIONS}
    for reference in references(report):
        named[_KINDS[reference.kind]].add(reference.id)
    return named


def _ids(ids: Iterable[str]) -> dict[str, Any]:
    return {"_id": {"$in": sorted(ids)}}


def _member(document: dict[str, Any]) -> Member:
    effective_on = datetime.date.fromisoformat(document["effective_on"])
    same = _of(document, "legal_name", "member_class", "state", "sequence")
    return Member(id=document["_id"], effective_on=effective_on, **same)


def _entity(document: dict[str, Any]) -> Entity:
    return Entity(**_place(document, "member_id", "name", "country", "sequence"))


def _facility(document: dict[str, Any]) -> Facility:
    return Facility(**_place(document, "entity_id", "member_id", "name", "country", "sequence"))


def _place(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {"id": document["_id"], "activities": tuple(document["activities"]), **_of(document, *names)}


def _of(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: document[name] for name in names}
