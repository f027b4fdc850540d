"""What membership announces of members and their sites: kept as the newest word, and answered as scopes."""

from typing import Any

from assessment.application.scope_of import scope_of
from assessment.domain.register import Entity, Facility, Member
from assessment.presenters import register as present
from assessment.schemas.register import GetScope
from assessment.storage.register import RegisterCopies
from touchstone_chassis.api import Stored, on_event, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.events.membership import EntityRecorded, FacilityRecorded, OrganisationRecorded
from touchstone_contracts.roles import ASSESSOR, MEMBER, REGISTRAR, SECRETARIAT


class RegisterEntrypoints:
    """Copies of the register, against which reports are held."""

    clock: Any
    standards: Any
    catalogue_cache: Any
    register_copies = Stored(RegisterCopies)

    @query(GetScope(), roles=(SECRETARIAT, REGISTRAR, ASSESSOR, MEMBER))
    def get_scope(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """What the register says of a scope, and the criteria of a standard that it must be rated on.

        Errors: not_found for an entity that is not known here, or is another member's than the caller; invalid_request
        for facilities that are none of it.
        """
        catalogue = self.standards.catalogue(self.clock.now().date(), self.catalogue_cache)
        standard = catalogue.get(request["standard"]["code"], request["standard"]["version"])
        only_of = caller.member or "" if caller.role == MEMBER else None
        scope = scope_of(self.register_copies, request["entity_id"], request["facility_ids"], only_of=only_of)
        return present.scope(scope, standard)

    @on_event(OrganisationRecorded, handler="keep_member", copies=True)
    def keep_member(self, event: OrganisationRecorded, envelope: Envelope) -> None:
        self.register_copies.keep_member(
            Member(
                id=event.member_id,
                legal_name=event.legal_name,
                member_class=event.member_class,
                state=event.state,
                effective_on=event.effective_on,
                sequence=envelope.sequence,
            )
        )

    @on_event(EntityRecorded, handler="keep_entity", copies=True)
    def keep_entity(self, event: EntityRecorded, envelope: Envelope) -> None:
        self.register_copies.keep_entity(
            Entity(
                id=event.entity_id,
                member_id=event.member_id,
                name=event.name,
                country=event.country,
                activities=tuple(event.activities),
                sequence=envelope.sequence,
            )
        )

    @on_event(FacilityRecorded, handler="keep_facility", copies=True)
    def keep_facility(self, event: FacilityRecorded, envelope: Envelope) -> None:
        self.register_copies.keep_facility(
            Facility(
                id=event.facility_id,
                entity_id=event.entity_id,
                member_id=event.member_id,
                name=event.name,
                country=event.country,
                activities=tuple(event.activities),
                sequence=envelope.sequence,
            )
        )
