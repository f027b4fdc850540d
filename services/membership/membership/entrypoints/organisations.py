"""The methods for organisations and their membership."""

from typing import Any

from membership.application.identity import known_organisation, new_id, refuse_taken
from membership.domain.organisations.obligations import Obligations
from membership.domain.organisations.organisation import Organisation
from membership.entrypoints.access import require_own_member
from membership.presenters import organisations as present
from membership.presenters.contacts import contact
from membership.presenters.sites import entities_with_facilities
from membership.schemas.organisations import (
    Activate,
    GetOrganisation,
    ListOrganisations,
    RegisterOrganisation,
    Reinstate,
    Suspend,
)
from membership.storage.contacts import Contacts
from membership.storage.organisations import Organisations
from membership.storage.sites import Entities, Facilities
from touchstone_chassis.api import Stored, command, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.roles import MEMBER, REGISTRAR, SECRETARIAT
from touchstone_contracts.values import Party, PartyKind


class OrganisationEntrypoints:
    """Who is a member, of which class and in what standing."""

    clock: Any
    obligations: Any
    obligations_cache: Any
    organisations = Stored(Organisations)
    entities = Stored(Entities)
    facilities = Stored(Facilities)
    contacts = Stored(Contacts)

    @command(RegisterOrganisation(), roles=(SECRETARIAT, REGISTRAR))
    def register_organisation(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Enter an organisation; it is no member in good standing yet. AlreadyExists for an id that is taken."""
        id = request["member_id"] or new_id("org")
        refuse_taken(self.organisations.get(id), "member_id", id)
        organisation, events = Organisation.register(
            id,
            legal_name=request["legal_name"],
            member_class=request["member_class"],
            country=request["country"],
            at=self.clock.now(),
            by=caller.subject,
        )
        self.organisations.save(organisation, events)
        return self._shown(organisation)

    @command(Activate(), roles=(SECRETARIAT, REGISTRAR))
    def activate(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Make a registered organisation a member in good standing from `joined_on`, today if absent."""
        organisation, now = known_organisation(self.organisations, request["member_id"]), self.clock.now()
        events = organisation.activate(
            joined_on=request["joined_on"],
            obligations=self.obligations.in_force(request["joined_on"] or now.date(), self.obligations_cache),
            at=now,
            by=caller.subject,
        )
        self.organisations.save(organisation, events)
        return self._shown(organisation)

    @command(Suspend(), roles=(SECRETARIAT, REGISTRAR))
    def suspend(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Take an active member's good standing away, with reasons."""
        organisation = known_organisation(self.organisations, request["member_id"])
        events = organisation.suspend(request["reasons"], at=self.clock.now(), by=caller.subject)
        self.organisations.save(organisation, events)
        return self._shown(organisation)

    @command(Reinstate(), roles=(SECRETARIAT, REGISTRAR))
    def reinstate(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Give a suspended member its good standing back."""
        organisation = known_organisation(self.organisations, request["member_id"])
        events = organisation.reinstate(at=self.clock.now(), by=caller.subject)
        self.organisations.save(organisation, events)
        return self._shown(organisation)

    @query(GetOrganisation(), roles=(SECRETARIAT, REGISTRAR, MEMBER))
    def get_organisation(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """An organisation with its entities, facilities and contacts."""
        id = request["member_id"]
        require_own_member(caller, id)
        organisation = known_organisation(self.organisations, id)
        return self._shown(organisation) | {
            "entities": entities_with_facilities(self.entities.of_member(id), self.facilities.of_member(id)),
            "contacts": [contact(c) for c in self.contacts.page(Party(kind=PartyKind.MEMBER, id=id))],
        }

    @query(ListOrganisations(), roles=(SECRETARIAT, REGISTRAR))
    def list_organisations(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Organisations by id."""
        found = self.organisations.page(limit=request["limit"] + 1, after=request["after"])
        today = self._obligations_today()
        return page(found, request["limit"], lambda one: present.organisation(one, today))

    def _shown(self, organisation: Organisation) -> dict[str, Any]:
        return present.organisation(organisation, self._obligations_today())

    def _obligations_today(self) -> Obligations | None:
        found: Obligations | None = self.obligations.in_force(self.clock.now().date(), self.obligations_cache)
        return found
