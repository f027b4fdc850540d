"""Contacts as callers see them, addresses masked."""

from typing import Any

from membership.domain.contacts import Contact, masked


def contact(contact: Contact) -> dict[str, Any]:
    return {
        "contact_id": contact.id,
        "party": {"kind": contact.party.kind, "id": contact.party.id},
        "name": contact.details.name,
        "address": masked(contact.details.address),
        "roles": list(contact.details.roles),
        "language": contact.details.language,
        "channels": list(contact.details.channels),
        "active": contact.details.active,
    }
