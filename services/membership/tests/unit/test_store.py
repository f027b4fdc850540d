import datetime
from collections.abc import Sequence
from typing import Any

from membership.data.reference import class_rules
from membership.domain.contacts import Contact, ContactDetails
from membership.domain.organisations.organisation import Organisation
from membership.domain.sites import Entity, Facility
from membership.storage.contacts import Contacts
from membership.storage.organisations import Organisations
from membership.storage.sites import Entities, Facilities
from touchstone_contracts.values import Party, PartyKind

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


class UnitInMemory:
    """Keeps documents by id; understands the filters of one id only."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.events: list[Any] = []

    def find_one(self, collection: str, filter: dict[str, Any]) -> dict[str, Any] | None:
        return self.documents.get((collection, filter["_id"]))

    def find(self, collection: str, filter: dict[str, Any], **_: Any) -> list[dict[str, Any]]:
        raise NotImplementedError

    def save(self, collection: str, document: dict[str, Any], events: Sequence[Any] = ()) -> None:
        self.documents[collection, document["_id"]] = document | {"version": document["version"] + 1}
        self.events += events


def test_an_organisation_comes_back_as_it_was_saved() -> None:
    organisation, events = Organisation.register(
        "qatalum", legal_name="Qatar Aluminium Limited", member_class="PT", country="QA", at=NOON, by="s"
    )
    organisation.activate(joined_on=datetime.date(2020, 3, 1), rule=class_rules()["PT"], at=NOON, by="s")
    organisation.suspend(["Fee overdue."], at=NOON, by="s")
    store = Organisations(UnitInMemory())

    store.save(organisation, events)

    organisation.version = 1
    assert store.get("qatalum") == organisation


def test_places_come_back_as_they_were_saved_and_are_announced() -> None:
    unit = UnitInMemory()
    entity = Entity(id="e", member_id="m", name="E", country="QA", activities=("SML",))
    facility = Facility(id="f", entity_id="e", member_id="m", name="F", country="QA", activities=("SML",))

    Entities(unit).save(entity)
    Facilities(unit).save(facility)

    entity.version = facility.version = 1
    assert Entities(unit).get("e") == entity
    assert Facilities(unit).get("f") == facility
    assert [e.type_name for e in unit.events] == [
        "membership.entity_registered.v1",
        "membership.facility_registered.v1",
    ]


def test_a_contact_comes_back_as_it_was_saved() -> None:
    party = Party(kind=PartyKind.BODY, id="dnv")
    details = ContactDetails(
        name="A. Person", address="person@example.org", roles=("reports",), language="fr", channels=("email",)
    )
    contact, events = Contact.enter("con-1", party, details)
    store = Contacts(UnitInMemory())

    store.save(contact, events)

    contact.version = 1
    assert store.get("con-1") == contact
