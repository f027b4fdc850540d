"""What membership answers: aggregates as callers see them, addresses masked."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from membership.domain import Contact, Entity, Facility, Organisation, masked
from membership.reference import class_rules


def organisation(organisation: Organisation) -> dict[str, Any]:
    rule = class_rules()[organisation.member_class]
    return {
        "member_id": organisation.id,
        "legal_name": organisation.legal_name,
        "member_class": organisation.member_class,
        "class_group": rule.group,
        "must_be_certified": rule.must_be_certified,
        "country": organisation.country,
        "state": organisation.state,
        "joined_on": organisation.joined_on,
        "first_certification_due_on": organisation.first_certification_due_on,
        "suspension_reasons": list(organisation.suspension_reasons),
        "history": [
            {"state": change.state, "at": change.at, "by": change.by, "reasons": list(change.reasons)}
            for change in organisation.history
        ],
    }


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


def contact(contact: Contact) -> dict[str, Any]:
    return {
        "contact_id": contact.id,
        "party": {"kind": contact.party.kind, "id": contact.party.id},
        "name": contact.details.name,
        "address": masked(contact.details.address),
        "roles": list(contact.details.roles),
        "language": contact.details.language,
        "channels": list(contact.details.channels),
        "active": contact.details.active,
    }


def page(found: Sequence[Any], limit: int, answer: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """`{"items", "next"}` of what was found with a limit one higher than `limit`; `next` is the last id, or None."""
    shown = found[:limit]
    return {"items": [answer(item) for item in shown], "next": shown[-1].id if len(found) > limit else None}
