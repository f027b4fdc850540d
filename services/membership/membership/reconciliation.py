"""What membership lets a reconciliation compare: how far its contacts are; and its aggregates as they are now."""

from collections.abc import Sequence
from typing import Any

from membership.application.publish_obligations import obligations_published
from membership.storage.contacts import CONTACTS, Contacts
from membership.storage.obligations import PublishedObligations
from membership.storage.organisations import ORGANISATIONS, Organisations
from membership.storage.sites import ENTITIES, FACILITIES, Entities, Facilities
from membership.storage.unit_of_work import Unit
from touchstone_chassis.api import PresentState, ReconciliationDeclarations, ids_in
from touchstone_contracts.events.membership import (
    ContactChanged,
    EntityRecorded,
    FacilityRecorded,
    MembershipActivated,
    MembershipReinstated,
    MembershipSuspended,
    ObligationsPublished,
    OrganisationRecorded,
    OrganisationRegistered,
)
from touchstone_contracts.publications import ONLY_SEQUENCE


def contact_versions(unit: Unit, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Which version each of these contacts is in. No address leaves the service here."""
    found = unit.find(CONTACTS, {"_id": {"$in": list(keys)}}, projection={"version": 1})
    return [{"contact_id": document["_id"], "version": document["version"]} for document in found]


def present_contact(unit: Unit, contact_id: str) -> tuple[ContactChanged, int] | None:
    """A contact as it is now, for an event whose body had to leave; with the version that this is."""
    contact = Contacts(unit).get(contact_id)
    return (contact.recorded(), contact.version) if contact else None


def present_organisation(unit: Unit, member_id: str) -> tuple[OrganisationRecorded, int] | None:
    """An organisation as it is now; with the version that this is."""
    organisation = Organisations(unit).get(member_id)
    return (organisation.recorded(), organisation.version) if organisation else None


def present_entity(unit: Unit, entity_id: str) -> tuple[EntityRecorded, int] | None:
    """An entity as it is now; with the version that this is."""
    entity = Entities(unit).get(entity_id)
    return (entity.recorded(), entity.version) if entity else None


def present_facility(unit: Unit, facility_id: str) -> tuple[FacilityRecorded, int] | None:
    """A facility as it is now; with the version that this is."""
    facility = Facilities(unit).get(facility_id)
    return (facility.recorded(), facility.version) if facility else None


def present_obligations(unit: Unit, key: str) -> tuple[ObligationsPublished, int] | None:
    """Obligations as they were published: those that came with a release were announced by nothing."""
    found = PublishedObligations(unit).by_key(key)
    return (obligations_published(found), ONLY_SEQUENCE) if found else None


DECLARATIONS = ReconciliationDeclarations(
    facts={"contacts": contact_versions},
    announced_in_full=[
        [OrganisationRegistered, MembershipActivated, MembershipSuspended, MembershipReinstated],
        [ContactChanged],
    ],
    present={
        OrganisationRecorded: PresentState(of=present_organisation, ids=ids_in(ORGANISATIONS)),
        EntityRecorded: PresentState(of=present_entity, ids=ids_in(ENTITIES)),
        FacilityRecorded: PresentState(of=present_facility, ids=ids_in(FACILITIES)),
        ContactChanged: PresentState(of=present_contact, ids=ids_in(CONTACTS)),
        ObligationsPublished: PresentState(of=present_obligations, ids=ids_in(PublishedObligations.collection)),
    },
)
