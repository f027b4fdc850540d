"""What membership lets a reconciliation compare: how far its contacts are, and each contact as it is now."""

from collections.abc import Sequence
from typing import Any

from membership.storage.contacts import CONTACTS, Contacts
from membership.storage.unit_of_work import Unit
from touchstone_chassis.api import PresentState, ReconciliationDeclarations
from touchstone_contracts.events.membership import (
    ContactChanged,
    MembershipActivated,
    MembershipReinstated,
    MembershipSuspended,
    OrganisationRegistered,
)


def contact_versions(unit: Unit, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Which version each of these contacts is in. No address leaves the service here."""
    found = unit.find(CONTACTS, {"_id": {"$in": list(keys)}}, projection={"version": 1})
    return [{"contact_id": document["_id"], "version": document["version"]} for document in found]


def present_contact(unit: Unit, contact_id: str) -> tuple[ContactChanged, int] | None:
    """A contact as it is now, for an event whose body had to leave; with the version that this is."""
    contact = Contacts(unit).get(contact_id)
    return (contact.told(), contact.version) if contact else None


def contact_ids(unit: Unit, after: str, limit: int) -> list[str]:
    behind = {"_id": {"$gt": after}}
    found = unit.find(CONTACTS, behind, sort=[("_id", 1)], limit=limit, projection={"_id": 1})
    return [document["_id"] for document in found]


DECLARATIONS = ReconciliationDeclarations(
    facts={"contacts": contact_versions},
    announced_in_full=[
        [OrganisationRegistered, MembershipActivated, MembershipSuspended, MembershipReinstated],
        [ContactChanged],
    ],
    present={ContactChanged: PresentState(of=present_contact, ids=contact_ids)},
)
