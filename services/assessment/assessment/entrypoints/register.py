"""What membership announces of members and their sites: kept as the newest word."""

from assessment.domain.register import Entity, Facility, Member
from assessment.storage.register import RegisterCopies
from touchstone_chassis.api import Stored, on_event
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.events.membership import EntityRecorded, FacilityRecorded, OrganisationRecorded


class RegisterEntrypoints:
    """Copies of the register, against which reports are held."""

    register_copies = Stored(RegisterCopies)

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
                country=event.country,
                activities=tuple(event.activities),
                sequence=envelope.sequence,
            )
        )
