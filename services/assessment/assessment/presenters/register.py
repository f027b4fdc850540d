"""Scopes as the register has them, for whoever writes a report."""

from typing import Any

from assessment.domain.register import Entity, Facility, RegisteredScope
from assessment.domain.standards import StandardVersion


def scope(scope: RegisteredScope, standard: StandardVersion) -> dict[str, Any]:
    """With the criteria that must be rated; `may_be_not_applicable`: whether this scope may call one not applicable."""
    criteria = [
        {
            "code": one.code,
            "title": one.title,
            "may_be_not_applicable": one.may_be_not_applicable and one.restricted_to is None,
        }
        for one in standard.applicable(scope.activities)
    ]
    return {
        "member_id": scope.member_id,
        "member_class": scope.member.member_class if scope.member else None,
        "entity": _place(scope.entity),
        "facilities": [_place(facility) for facility in scope.facilities],
        "activities": sorted(scope.activities),
        "standard": {"code": standard.code, "version": standard.version},
        "criteria": criteria,
    }


def _place(place: Entity | Facility) -> dict[str, Any]:
    return {"id": place.id, "name": place.name, "country": place.country, "activities": list(place.activities)}
