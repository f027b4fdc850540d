import dataclasses

import pytest

from membership.domain.contacts import Contact, ContactDetails, masked
from membership.presenters import contacts as present
from touchstone_contracts.errors import AlreadyExists
from touchstone_contracts.events.membership import ContactChanged
from touchstone_contracts.values import Party, PartyKind

QATALUM = Party(kind=PartyKind.MEMBER, id="qatalum")
DNV = Party(kind=PartyKind.BODY, id="dnv")
DETAILS = ContactDetails(
    name="A. Person",
    address="person@example.org",
    roles=("certification",),
    language="en",
    channels=("email",),
)


def test_the_record_of_a_contact_has_all_of_it() -> None:
    contact = Contact.enter("con-1", QATALUM, DETAILS)

    assert contact.recorded() == ContactChanged(
        contact_id="con-1",
        party=QATALUM,
        name="A. Person",
        address="person@example.org",
        roles=["certification"],
        language="en",
        channels=["email"],
        active=True,
    )


def test_a_contact_that_stays_as_it_was_says_so() -> None:
    contact = Contact.enter("con-1", QATALUM, DETAILS)

    assert not contact.change(QATALUM, DETAILS)


def test_a_contact_that_is_no_longer_active_is_recorded_as_such() -> None:
    contact = Contact.enter("con-1", QATALUM, DETAILS)

    changed = contact.change(QATALUM, dataclasses.replace(DETAILS, active=False))

    assert changed and contact.recorded().active is False


def test_a_contact_never_moves_to_another_party() -> None:
    contact = Contact.enter("con-1", QATALUM, DETAILS)

    with pytest.raises(AlreadyExists):
        contact.change(DNV, DETAILS)


@pytest.mark.parametrize(
    ("address", "shown"),
    [("person@example.org", "p•••@example.org"), ("p@example.org", "p•••@example.org")],
)
def test_an_address_is_shown_masked(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_an_answer_holds_no_address() -> None:
    contact = Contact.enter("con-1", QATALUM, DETAILS)

    assert "person@example.org" not in str(present.contact(contact))
