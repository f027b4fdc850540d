"""The methods for contacts."""

from typing import Any

from membership.application.set_contact import set_contact
from membership.entrypoints.access import require_own_party
from membership.presenters import contacts as present
from membership.schemas.contacts import ListContacts, SetContact, party_of
from membership.storage.contacts import Contacts
from membership.storage.organisations import Organisations
from touchstone_chassis.api import Stored, command, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.roles import ASSESSOR, MEMBER, REGISTRAR, SECRETARIAT


class ContactEntrypoints:
    """Who is told on behalf of a member, a body or the Secretariat."""

    organisations = Stored(Organisations)
    contacts = Stored(Contacts)

    @command(SetContact(), roles=(SECRETARIAT, REGISTRAR, MEMBER, ASSESSOR))
    def set_contact(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Enter a person who is told on behalf of a party, or replace what is known of one.

        NotFound for an unknown member; bodies are accredited elsewhere and taken as named.
        """
        party = party_of(request)
        require_own_party(caller, party)
        return present.contact(set_contact(request, party, self.organisations, self.contacts))

    @query(ListContacts(), roles=(SECRETARIAT, REGISTRAR, MEMBER, ASSESSOR))
    def list_contacts(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The contacts of one party by id, addresses masked."""
        party = party_of(request)
        require_own_party(caller, party)
        found = self.contacts.page(party, limit=request["limit"] + 1, after=request["after"])
        return page(found, request["limit"], present.contact)
