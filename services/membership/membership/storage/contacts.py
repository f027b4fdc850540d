"""Contacts as documents."""

import dataclasses
from typing import Any

from membership.domain.contacts import Contact, ContactDetails
from membership.storage.unit_of_work import Unit
from touchstone_contracts.topology import Index
from touchstone_contracts.values import Party, PartyKind

CONTACTS = "contacts"
INDEXES = (Index(collection=CONTACTS, keys=[("party.kind", 1), ("party.id", 1), ("_id", 1)]),)


class Contacts:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Contact | None:
        document = self._unit.find_one(CONTACTS, {"_id": id})
        return _contact(document) if document else None

    def page(self, party: Party, *, limit: int = 0, after: str | None = None) -> list[Contact]:
        """The contacts of `party` by id, beginning behind `after`; all of them for a limit of 0."""
        filter = {"party.kind": party.kind.value, "party.id": party.id, "_id": {"$gt": after or ""}}
        return [_contact(d) for d in self._unit.find(CONTACTS, filter, sort=[("_id", 1)], limit=limit)]

    def save(self, contact: Contact) -> None:
        """With its record: nothing else tells of a contact."""
        document = {
            "_id": contact.id,
            "version": contact.version,
            "schema_version": 1,
            "party": {"kind": contact.party.kind.value, "id": contact.party.id},
            **dataclasses.asdict(contact.details),
            "roles": list(contact.details.roles),
            "channels": list(contact.details.channels),
        }
        self._unit.save(CONTACTS, document, [contact.recorded()])


def _contact(document: dict[str, Any]) -> Contact:
    details = ContactDetails(
        name=document["name"],
        address=document["address"],
        roles=tuple(document["roles"]),
        language=document["language"],
        channels=tuple(document["channels"]),
        active=document["active"],
    )
    party = Party(kind=PartyKind(document["party"]["kind"]), id=document["party"]["id"])
    return Contact(id=document["_id"], party=party, details=details, version=document["version"])
