"""What membership says of members, entities and facilities, as far as it is known here."""

import dataclasses
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """`state` is `registered`, `active` or `suspended`, from the day `effective_on` on; `sequence` says which word of
    membership's this is."""

    id: str
    legal_name: str
    member_class: str
    state: str
    effective_on: datetime.date
    sequence: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entity:
    """A business unit of a member."""

    id: str
    member_id: str
    name: str
    country: str
    activities: tuple[str, ...]
    sequence: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facility:
    """A site of an entity."""

    id: str
    entity_id: str
    member_id: str
    name: str
    country: str
    activities: tuple[str, ...]
    sequence: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """Somebody or something that a report names: where in the report, of which kind, and by which id."""

    path: str
    kind: str
    id: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Register:
    """What is known of those that a report names, by id."""

    members: Mapping[str, Member] = dataclasses.field(default_factory=dict)
    entities: Mapping[str, Entity] = dataclasses.field(default_factory=dict)
    facilities: Mapping[str, Facility] = dataclasses.field(default_factory=dict)

    def unknown(self, report: Mapping[str, Any]) -> list[Reference]:
        """What the report names and is not known here, in the report's order."""
        known: dict[str, Mapping[str, Any]] = {
            "member": self.members,
            "entity": self.entities,
            "facility": self.facilities,
        }
        return [reference for reference in references(report) if reference.id not in known[reference.kind]]


def activities_of(entity: Entity | None, facilities: Sequence[Facility]) -> frozenset[str]:
    """What a scope carries out: what its facilities do, or, where it names none, what its entity does."""
    places: Sequence[Entity | Facility] = facilities or ([entity] if entity else [])
    return frozenset(activity for place in places for activity in place.activities)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegisteredScope:
    """An entity and facilities of it, as the register has them. `member` is None where it has not come here yet."""

    member_id: str
    member: Member | None
    entity: Entity
    facilities: tuple[Facility, ...]

    @property
    def activities(self) -> frozenset[str]:
        return activities_of(self.entity, self.facilities)


def references(report: Mapping[str, Any]) -> Iterator[Reference]:
    """Whom and what the report names of membership's, as far as it can be read."""
    if "member_id" in report:
        yield Reference(path="member_id", kind="member", id=report["member_id"])
    if "id" in report.get("entity", {}):
        yield Reference(path="entity.id", kind="entity", id=report["entity"]["id"])
    for index, facility in enumerate(report.get("scope", {}).get("facilities", ())):
        if "id" in facility:
            yield Reference(path=f"scope.facilities[{index}].id", kind="facility", id=facility["id"])
