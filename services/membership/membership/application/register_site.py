"""Names what a member wants certified: an entity of a known organisation, a facility of a known entity."""

from typing import Any

from membership.application.identity import known_organisation, new_id, refuse_taken, unknown
from membership.domain.sites import Entity, Facility
from membership.storage.organisations import Organisations
from membership.storage.sites import Entities, Facilities


def register_entity(request: dict[str, Any], organisations: Organisations, entities: Entities) -> Entity:
    known_organisation(organisations, request["member_id"])
    id = request["entity_id"] or new_id("ent")
    refuse_taken(entities.get(id), "entity_id", id)
    entity = Entity(id=id, member_id=request["member_id"], **_place(request))
    entities.save(entity)
    return entity


def register_facility(
    request: dict[str, Any], entities: Entities, facilities: Facilities, *, only_of: str | None
) -> Facility:
    """`only_of` is the member that asks, None for whoever may ask for all: another's entity is unknown to it."""
    entity = entities.get(request["entity_id"])
    if entity is None or only_of not in (None, entity.member_id):
        raise unknown("entity_id", request["entity_id"])
    id = request["facility_id"] or new_id("fac")
    refuse_taken(facilities.get(id), "facility_id", id)
    facility = Facility(id=id, entity_id=entity.id, member_id=entity.member_id, **_place(request))
    facilities.save(facility)
    return facility


def _place(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": request["name"],
        "country": request["country"],
        "activities": tuple(request["activities"]),
    }
