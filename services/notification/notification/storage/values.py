"""Parties, moments and positions as documents hold them.

Moments that are compared stand as text of fixed width: the database's own dates would lose the microseconds.
"""

import datetime

from notification.domain.notices.announcement import Announcement
from notification.domain.notices.notice import Notice
from touchstone_contracts.values import Party, PartyKind


def party_key(party: Party) -> str:
    return f"{party.kind.value}:{party.id}"


def party_of(key: str) -> Party:
    kind, _, id = key.partition(":")
    return Party(kind=PartyKind(kind), id=id)


def position(item: Announcement | Notice) -> str:
    """Where it stands among its kind: by time, then by id."""
    return f"{moment_text(item.at if isinstance(item, Announcement) else item.created_at)}.{item.id}"


def moment_text(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds")


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)
