"""Looks a scope up in the copies of the register: an entity, with those of its facilities that are named."""

from collections.abc import Sequence

from assessment.domain.register import RegisteredScope
from assessment.storage.register import RegisterCopies
from touchstone_contracts.errors import FieldError, InvalidRequest, NotFound


def scope_of(
    copies: RegisterCopies, entity_id: str, facility_ids: Sequence[str], *, only_of: str | None
) -> RegisteredScope:
    """`only_of` is the member that asks, None for whoever may ask for all. Raises NotFound or InvalidRequest."""
    known = copies.known(members=(), entities=[entity_id], facilities=facility_ids)
    entity = known.entities.get(entity_id)
    if entity is None or only_of not in (None, entity.member_id):
        raise NotFound(f"There is no entity {entity_id!r} that you may see.")
    found = [known.facilities.get(id) for id in facility_ids]
    wrong = [
        FieldError(f"facility_ids[{index}]", "not_of_entity", f"{id!r} is no facility of {entity_id!r}.")
        for index, (id, facility) in enumerate(zip(facility_ids, found, strict=True))
        if facility is None or facility.entity_id != entity_id
    ]
    if wrong:
        raise InvalidRequest("The scope names facilities that are none of its entity.", wrong)
    member = copies.known(members=[entity.member_id], entities=(), facilities=()).members.get(entity.member_id)
    facilities = [facility for facility in found if facility is not None]
    return RegisteredScope(member_id=entity.member_id, member=member, entity=entity, facilities=tuple(facilities))
