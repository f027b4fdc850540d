"""What membership says of members, entities and facilities, as far as it is known here."""

import dataclasses
import datetime
from collections.abc import Iterator, Mapping
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
    country: str
    activities: tuple[str, ...]
    sequence: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facility:
    """A site of an entity."""

    id: str
    entity_id: str
    member_id: str
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


def references(report: Mapping[str, Any]) -> Iterator[Reference]:
    """Whom and what the report names of membership's, as far as it can be read."""
    if "member_id" in report:
        yield Reference(path="member_id", kind="member", id=report["member_id"])
    if "id" in report.get("entity", {}):
        yield Reference(path="entity.id", kind="entity", id=report["entity"]["id"])
    for index, facility in enumerate(report.get("scope", {}).get("facilities", ())):
        if "id" in facility:
            yield Reference(path=f"scope.facilities[{index}].id", kind="facility", id=facility["id"])
