"""Contacts: the persons who are told on behalf of a party, and what is announced when one changes."""

import dataclasses
from typing import Self

from touchstone_contracts.errors import AlreadyExists, FieldError
from touchstone_contracts.events.membership import ContactChanged
from touchstone_contracts.values import Party


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContactDetails:
    """How a person is reached, and what for."""

    name: str
    address: str
    roles: tuple[str, ...]
    language: str
    channels: tuple[str, ...]
    active: bool = True


@dataclasses.dataclass(kw_only=True)
class Contact:
    """A person who is told on behalf of one party; the party never changes."""

    id: str
    party: Party
    details: ContactDetails
    version: int = 0

    @classmethod
    def enter(cls, id: str, party: Party, details: ContactDetails) -> Self:
        return cls(id=id, party=party, details=details)

    def change(self, party: Party, details: ContactDetails) -> bool:
        """Replace the details. Says whether they are others than before.

        Raises AlreadyExists when the id stands for somebody of another party.
        """
        if party != self.party:
            raise AlreadyExists(
                f"The contact id {self.id} is taken.",
                [FieldError("contact_id", "already_exists", f"{self.id} stands for somebody of another party.")],
            )
        changed = details != self.details
        self.details = details
        return changed

    def recorded(self) -> ContactChanged:
        """The contact as it is now: its record, and the only one with personal values."""
        return ContactChanged(
            contact_id=self.id,
            party=self.party,
            name=self.details.name,
            address=self.details.address,
            roles=list(self.details.roles),
            language=self.details.language,
            channels=list(self.details.channels),
            active=self.details.active,
        )


def masked(address: str) -> str:
    """The address as it may be shown: `p•••@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
