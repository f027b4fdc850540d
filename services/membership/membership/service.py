"""The membership service: its entrypoints."""

import uuid
from typing import Any

from membership import answers, schemas
from membership.domain import Contact, ContactDetails, Entity, Facility, Organisation
from membership.reconciliation import COMPARABLE
from membership.reference import class_rules
from membership.store import Contacts, Entities, Facilities, Organisations
from membership.topology import INDEXES
from touchstone_chassis.api import OperatorApi, Settings, Stored, command, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import AlreadyExists, FieldError, Forbidden, NotFound
from touchstone_contracts.roles import ASSESSOR, MEMBER, REGISTRAR, SECRETARIAT
from touchstone_contracts.values import Party, PartyKind


class MembershipService(OperatorApi):
    """Who is a member, of which class and in what standing; what it wants certified; and who is told on its behalf."""

    name = "membership"
    indexes = INDEXES
    reconciliation = COMPARABLE

    settings = Settings(schemas.SettingsSchema())
    organisations = Stored(Organisations)
    entities = Stored(Entities)
    facilities = Stored(Facilities)
    contacts = Stored(Contacts)

    @command(schemas.RegisterOrganisation(), roles=(SECRETARIAT, REGISTRAR))
    def register_organisation(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Enter an organisation; it is no member in good standing yet. AlreadyExists for an id that is taken."""
        id = request["member_id"] or _new_id("org")
        _refuse_taken(self.organisations.get(id), "member_id", id)
        organisation, events = Organisation.register(
            id,
            legal_name=request["legal_name"],
            member_class=request["member_class"],
            country=request["country"],
            at=self.clock.now(),
            by=caller.subject,
        )
        self.organisations.save(organisation, events)
        return answers.organisation(organisation)

    @command(schemas.Activate(), roles=(SECRETARIAT, REGISTRAR))
    def activate(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Make a registered organisation a member in good standing from `joined_on`, today if absent."""
        organisation = self._organisation(request["member_id"])
        events = organisation.activate(
            joined_on=request["joined_on"],
            rule=class_rules()[organisation.member_class],
            at=self.clock.now(),
            by=caller.subject,
        )
        self.organisations.save(organisation, events)
        return answers.organisation(organisation)

    @command(schemas.Suspend(), roles=(SECRETARIAT, REGISTRAR))
    def suspend(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Take an active member's good standing away, with reasons."""
        organisation = self._organisation(request["member_id"])
        events = organisation.suspend(request["reasons"], at=self.clock.now(), by=caller.subject)
        self.organisations.save(organisation, events)
        return answers.organisation(organisation)

    @command(schemas.Reinstate(), roles=(SECRETARIAT, REGISTRAR))
    def reinstate(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Give a suspended member its good standing back."""
        organisation = self._organisation(request["member_id"])
        events = organisation.reinstate(at=self.clock.now(), by=caller.subject)
        self.organisations.save(organisation, events)
        return answers.organisation(organisation)

    @command(schemas.RegisterEntity(), roles=(SECRETARIAT, REGISTRAR, MEMBER))
    def register_entity(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Name a business unit of a member. NotFound for an unknown member, AlreadyExists for an id that is taken."""
        _require_own_member(caller, request["member_id"])
        self._organisation(request["member_id"])
        id = request["entity_id"] or _new_id("ent")
        _refuse_taken(self.entities.get(id), "entity_id", id)
        entity = Entity(id=id, member_id=request["member_id"], **_place(request))
        self.entities.save(entity)
        return answers.entity(entity)

    @command(schemas.RegisterFacility(), roles=(SECRETARIAT, REGISTRAR, MEMBER))
    def register_facility(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Name a facility of an entity. NotFound for an unknown entity, AlreadyExists for an id that is taken."""
        entity = self.entities.get(request["entity_id"])
        if entity is None or (caller.role == MEMBER and entity.member_id != caller.member):
            raise _unknown("entity_id", request["entity_id"])
        id = request["facility_id"] or _new_id("fac")
        _refuse_taken(self.facilities.get(id), "facility_id", id)
        facility = Facility(id=id, entity_id=entity.id, member_id=entity.member_id, **_place(request))
        self.facilities.save(facility)
        return answers.facility(facility)

    @command(schemas.SetContact(), roles=(SECRETARIAT, REGISTRAR, MEMBER, ASSESSOR))
    def set_contact(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Enter a person who is told on behalf of a party, or replace what is known of one.

        NotFound for an unknown member; bodies are accredited elsewhere and taken as named.
        """
        party = schemas.party_of(request)
        _require_own_party(caller, party)
        if party.kind is PartyKind.MEMBER:
            self._organisation(party.id, path="party.id")
        id = request["contact_id"] or _new_id("con")
        details = _details(request)
        contact = self.contacts.get(id)
        if contact is None:
            contact, events = Contact.enter(id, party, details)
        else:
            events = contact.change(party, details)
        if events:
            self.contacts.save(contact, events)
        return answers.contact(contact)

    @query(schemas.GetOrganisation(), roles=(SECRETARIAT, REGISTRAR, MEMBER))
    def get_organisation(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """An organisation with its entities, facilities and contacts."""
        id = request["member_id"]
        _require_own_member(caller, id)
        organisation = self._organisation(id)
        return answers.organisation(organisation) | {
            "entities": answers.entities_with_facilities(self.entities.of_member(id), self.facilities.of_member(id)),
            "contacts": [answers.contact(c) for c in self.contacts.page(Party(kind=PartyKind.MEMBER, id=id))],
        }

    @query(schemas.ListOrganisations(), roles=(SECRETARIAT, REGISTRAR))
    def list_organisations(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Organisations by id."""
        found = self.organisations.page(limit=request["limit"] + 1, after=request["after"])
        return answers.page(found, request["limit"], answers.organisation)

    @query(schemas.ListContacts(), roles=(SECRETARIAT, REGISTRAR, MEMBER, ASSESSOR))
    def list_contacts(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The contacts of one party by id, addresses masked."""
        party = schemas.party_of(request)
        _require_own_party(caller, party)
        found = self.contacts.page(party, limit=request["limit"] + 1, after=request["after"])
        return answers.page(found, request["limit"], answers.contact)

    def _organisation(self, id: str, *, path: str = "member_id") -> Organisation:
        organisation: Organisation | None = self.organisations.get(id)
        if organisation is None:
            raise _unknown(path, id)
        return organisation


def _new_id(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex}"


def _place(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": request["name"],
        "country": request["country"],
        "activities": tuple(request["activities"]),
    }


def _details(request: dict[str, Any]) -> ContactDetails:
    return ContactDetails(
        name=request["name"],
        address=request["address"],
        roles=tuple(request["roles"]),
        language=request["language"],
        channels=tuple(request["channels"]),
        active=request["active"],
    )


def _unknown(path: str, id: str) -> NotFound:
    message = f"There is nothing by the id {id}."
    return NotFound(message, [FieldError(path, "not_found", message)])


def _refuse_taken(found: Any, path: str, id: str) -> None:
    if found is not None:
        message = f"The id {id} is taken."
        raise AlreadyExists(message, [FieldError(path, "already_exists", message)])


def _require_own_member(caller: Caller, member_id: str) -> None:
    _require_own_party(caller, Party(kind=PartyKind.MEMBER, id=member_id))


def _require_own_party(caller: Caller, party: Party) -> None:
    """A member acts for itself only, an assessor for its own body; decided before anything is looked up."""
    own = {
        MEMBER: Party(kind=PartyKind.MEMBER, id=caller.member or ""),
        ASSESSOR: Party(kind=PartyKind.BODY, id=caller.cab or ""),
    }
    if caller.role in own and own[caller.role] != party:
        raise Forbidden(f"A caller with the role {caller.role} acts on behalf of its own party only.")
