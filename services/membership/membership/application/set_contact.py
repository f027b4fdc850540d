"""Enters a person who is told on behalf of a party, or replaces what is known of one."""

from typing import Any

from membership.application.identity import known_organisation, new_id
from membership.domain.contacts import Contact, ContactDetails
from membership.storage.contacts import Contacts
from membership.storage.organisations import Organisations
from touchstone_contracts.values import Party, PartyKind


def set_contact(request: dict[str, Any], party: Party, organisations: Organisations, contacts: Contacts) -> Contact:
    """Raises NotFound for an unknown member; bodies are accredited elsewhere and taken as named."""
    if party.kind is PartyKind.MEMBER:
        known_organisation(organisations, party.id, path="party.id")
    id = request["contact_id"] or new_id("con")
    details = _details(request)
    contact = contacts.get(id)
    if contact is None:
        contact = Contact.enter(id, party, details)
    elif not contact.change(party, details):
        return contact
    contacts.save(contact)
    return contact


def _details(request: dict[str, Any]) -> ContactDetails:
    return ContactDetails(
        name=request["name"],
        address=request["address"],
        roles=tuple(request["roles"]),
        language=request["language"],
        channels=tuple(request["channels"]),
        active=request["active"],
    )
