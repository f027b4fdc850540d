"""The methods for entities and facilities."""

from typing import Any

from membership.application.register_site import register_entity, register_facility
from membership.entrypoints.access import require_own_member
from membership.presenters import sites as present
from membership.schemas.sites import RegisterEntity, RegisterFacility
from membership.storage.organisations import Organisations
from membership.storage.sites import Entities, Facilities
from touchstone_chassis.api import Stored, command
from touchstone_contracts.callers import Caller
from touchstone_contracts.roles import MEMBER, REGISTRAR, SECRETARIAT


class SiteEntrypoints:
    """What a member wants certified."""

    organisations = Stored(Organisations)
    entities = Stored(Entities)
    facilities = Stored(Facilities)

    @command(RegisterEntity(), roles=(SECRETARIAT, REGISTRAR, MEMBER))
    def register_entity(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Name a business unit of a member. NotFound for an unknown member, AlreadyExists for an id that is taken."""
        require_own_member(caller, request["member_id"])
        return present.entity(register_entity(request, self.organisations, self.entities))

    @command(RegisterFacility(), roles=(SECRETARIAT, REGISTRAR, MEMBER))
    def register_facility(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Name a facility of an entity. NotFound for an unknown entity, AlreadyExists for an id that is taken."""
        only_of = caller.member or "" if caller.role == MEMBER else None
        return present.facility(register_facility(request, self.entities, self.facilities, only_of=only_of))
