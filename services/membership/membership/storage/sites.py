"""Entities and facilities as documents."""

import dataclasses
from typing import Any

from membership.domain.sites import Entity, Facility
from membership.storage.unit_of_work import Unit
from touchstone_contracts.topology import Index

ENTITIES, FACILITIES = "entities", "facilities"
INDEXES = (
    Index(collection=ENTITIES, keys=[("member_id", 1), ("_id", 1)]),
    Index(collection=FACILITIES, keys=[("member_id", 1), ("_id", 1)]),
)


class Entities:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Entity | None:
        document = self._unit.find_one(ENTITIES, {"_id": id})
        return _entity(document) if document else None

    def of_member(self, member_id: str) -> list[Entity]:
        return [_entity(d) for d in self._unit.find(ENTITIES, {"member_id": member_id}, sort=[("_id", 1)])]

    def save(self, entity: Entity) -> None:
        self._unit.save(ENTITIES, _place_document(entity), [*entity.announce(), entity.recorded()])


class Facilities:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Facility | None:
        document = self._unit.find_one(FACILITIES, {"_id": id})
        return _facility(document) if document else None

    def of_member(self, member_id: str) -> list[Facility]:
        return [_facility(d) for d in self._unit.find(FACILITIES, {"member_id": member_id}, sort=[("_id", 1)])]

    def save(self, facility: Facility) -> None:
        self._unit.save(FACILITIES, _place_document(facility), [*facility.announce(), facility.recorded()])


def _place_document(place: Entity | Facility) -> dict[str, Any]:
    document = dataclasses.asdict(place) | {"activities": list(place.activities), "schema_version": 1}
    document["_id"] = document.pop("id")
    return document


def _entity(document: dict[str, Any]) -> Entity:
    return Entity(**_facts(document))


def _facility(document: dict[str, Any]) -> Facility:
    return Facility(entity_id=document["entity_id"], **_facts(document))


def _facts(document: dict[str, Any]) -> dict[str, Any]:
    same = {name: document[name] for name in ("member_id", "name", "country", "version")}
    return same | {"id": document["_id"], "activities": tuple(document["activities"])}
