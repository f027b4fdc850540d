import datetime
from types import SimpleNamespace

import pytest

from membership.data.obligations import obligations_of, shipped
from membership.domain.contacts import Contact, ContactDetails
from membership.domain.organisations.organisation import Organisation
from membership.domain.sites import Entity, Facility
from membership.service import MembershipService
from touchstone_contracts.values import Party, PartyKind
from touchstone_testing.memory_service import MemoryService

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def membership() -> MemoryService:
    return MemoryService(MembershipService, clock=SimpleNamespace(now=lambda: NOON))


def test_an_organisation_comes_back_as_it_was_saved(membership: MemoryService) -> None:
    organisation, events = Organisation.register(
        "qatalum", legal_name="Qatar Aluminium Limited", member_class="PT", country="QA", at=NOON, by="s"
    )
    organisation.activate(
        joined_on=datetime.date(2020, 3, 1), obligations=obligations_of(shipped()[0]), at=NOON, by="s"
    )
    organisation.suspend(["Fee overdue."], at=NOON, by="s")
    service, unit = membership.begin()

    service.organisations.save(organisation, events)
    membership.commit(unit)

    organisation.version = 1
    assert service.organisations.get("qatalum") == organisation


def test_places_come_back_as_they_were_saved_and_are_announced(membership: MemoryService) -> None:
    service, unit = membership.begin()
    entity = Entity(id="e", member_id="m", name="E", country="QA", activities=("SML",))
    facility = Facility(id="f", entity_id="e", member_id="m", name="F", country="QA", activities=("SML",))

    service.entities.save(entity)
    service.facilities.save(facility)
    membership.commit(unit)

    entity.version = facility.version = 1
    assert service.entities.get("e") == entity
    assert service.facilities.get("f") == facility
    assert [e.type_name for e in membership.events()] == [
        "membership.entity_registered.v1",
        "membership.facility_registered.v1",
    ]


def test_a_contact_comes_back_as_it_was_saved(membership: MemoryService) -> None:
    party = Party(kind=PartyKind.BODY, id="dnv")
    details = ContactDetails(
        name="A. Person", address="person@example.org", roles=("reports",), language="fr", channels=("email",)
    )
    contact = Contact.enter("con-1", party, details)
    service, unit = membership.begin()

    service.contacts.save(contact)
    membership.commit(unit)

    contact.version = 1
    assert service.contacts.get("con-1") == contact
