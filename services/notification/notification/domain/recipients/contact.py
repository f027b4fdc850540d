"""Contacts as they were over time: who can be told on behalf of a party, and since when."""

import dataclasses
import datetime

from touchstone_contracts.values import Party

EMAIL = "email"

Arrival = tuple[datetime.datetime, str]
"""When a contact came along for its party, and its id, which decides between two who came at the same moment."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReachabilityChange:
    """Whether a contact could be told, as of one change: its `sequence` and the moment when it happened."""

    sequence: int
    at: datetime.datetime
    reachable: bool


@dataclasses.dataclass(kw_only=True)
class Contact:
    """A person who is told on behalf of a party: the newest details, and when it could be told."""

    id: str
    party: Party
    name: str
    address: str
    language: str
    channels: tuple[str, ...]
    active: bool
    sequence: int
    changes: tuple[ReachabilityChange, ...] = ()
    version: int = 0

    @property
    def reachable(self) -> bool:
        """Whether the person is to be told now, by a channel that there is."""
        return self.active and EMAIL in self.channels

    def mends(self, known: "Contact") -> bool:
        """Whether a mail may get through now that did not while the contact was as `known`."""
        return self.reachable and (self.address != known.address or not known.reachable)

    def knows(self, sequence: int) -> bool:
        return any(change.sequence == sequence for change in self.changes)

    def reachable_at(self, moment: datetime.datetime) -> bool:
        """Whether it could be told then, by the newest of the changes up to that moment."""
        until_then = [change for change in self.changes if change.at <= moment]
        return bool(until_then) and max(until_then, key=lambda change: change.sequence).reachable

    def arrival_after(self, moment: datetime.datetime) -> Arrival | None:
        """When it could first be told, later than that moment."""
        return min(((c.at, self.id) for c in self.changes if c.reachable and c.at > moment), default=None)


def learn(known: Contact | None, told: Contact) -> Contact | None:
    """The contact after a change that was told, or None when it was known already. The newest sequence wins."""
    if known is None:
        return told
    if known.knows(told.sequence):
        return None
    newest = told if told.sequence > known.sequence else known
    return dataclasses.replace(newest, changes=(*known.changes, *told.changes), version=known.version)


def masked(address: str) -> str:
    """The address as it may be shown: `p•••@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
