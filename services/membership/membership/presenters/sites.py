"""Entities and facilities as callers see them."""

from collections.abc import Iterable, Sequence
from typing import Any

from membership.domain.sites import Entity, Facility


def entity(entity: Entity) -> dict[str, Any]:
    return {
        "entity_id": entity.id,
        "member_id": entity.member_id,
        "name": entity.name,
        "country": entity.country,
        "activities": list(entity.activities),
    }


def facility(facility: Facility) -> dict[str, Any]:
    return {
        "facility_id": facility.id,
        "entity_id": facility.entity_id,
        "member_id": facility.member_id,
        "name": facility.name,
        "country": facility.country,
        "activities": list(facility.activities),
    }


def entities_with_facilities(entities: Iterable[Entity], facilities: Sequence[Facility]) -> list[dict[str, Any]]:
    return [
        entity(found) | {"facilities": [facility(site) for site in facilities if site.entity_id == found.id]}
        for found in entities
    ]
