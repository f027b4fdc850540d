"""Entities and facilities: what a member wants certified, and where."""

import dataclasses
from typing import Any

from touchstone_contracts.events.membership import (
    EntityRecorded,
    EntityRegistered,
    FacilityRecorded,
    FacilityRegistered,
)


@dataclasses.dataclass(kw_only=True)
class Entity:
    """A business unit of a member that seeks certification."""

    id: str
    member_id: str
    name: str
    country: str
    activities: tuple[str, ...]
    version: int = 0

    def announce(self) -> list[Any]:
        return [
            EntityRegistered(
                entity_id=self.id,
                member_id=self.member_id,
                name=self.name,
                country=self.country,
                activities=list(self.activities),
            )
        ]

    def recorded(self) -> EntityRecorded:
        """It as it is now."""
        return EntityRecorded(
            entity_id=self.id,
            member_id=self.member_id,
            name=self.name,
            country=self.country,
            activities=list(self.activities),
        )


@dataclasses.dataclass(kw_only=True)
class Facility:
    """A site of an entity."""

    id: str
    entity_id: str
    member_id: str
    name: str
    country: str
    activities: tuple[str, ...]
    version: int = 0

    def announce(self) -> list[Any]:
        return [
            FacilityRegistered(
                facility_id=self.id,
                entity_id=self.entity_id,
                member_id=self.member_id,
                name=self.name,
                country=self.country,
                activities=list(self.activities),
            )
        ]

    def recorded(self) -> FacilityRecorded:
        """It as it is now."""
        return FacilityRecorded(
            facility_id=self.id,
            entity_id=self.entity_id,
            member_id=self.member_id,
            name=self.name,
            country=self.country,
            activities=list(self.activities),
        )
