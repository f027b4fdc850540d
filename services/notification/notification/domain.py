"""Contacts as they were over time, announcements, and notices with their way to the mail server."""

import dataclasses
import datetime
import enum
import hashlib
from collections.abc import Sequence
from typing import Any

from touchstone_contracts.events.notification import NoticeSent
from touchstone_contracts.values import Party

EMAIL = "email"

Arrival = tuple[datetime.datetime, str]
"""When a contact came along for its party, and its id, which decides between two who came at the same moment."""

ERROR_LENGTH_MAX = 300


class NoticeState(enum.Enum):
    """Where a notice stands. Only a pending one is ever sent."""

    PENDING = "pending"
    SENT = "sent"
    """The mail server took it."""
    FAILED = "failed"
    """The mail server refused it for good."""
    DEAD = "dead"
    """The mail server could not be reached, or put it off, too many times."""
    CANCELLED = "cancelled"
    """The contact was no longer to be told when it was to be sent."""
    NOT_DUE = "not_due"
    """Made on what was known then; what came later showed that somebody else was the one to tell."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
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
    standings: tuple[Standing, ...] = ()
    version: int = 0

    @property
    def reachable(self) -> bool:
        """Whether the person is to be told now, by a channel that there is."""
        return self.active and EMAIL in self.channels

    def knows(self, sequence: int) -> bool:
        return any(standing.sequence == sequence for standing in self.standings)

    def reachable_at(self, moment: datetime.datetime) -> bool:
        """Whether it could be told then, by the newest of the changes up to that moment."""
        until_then = [standing for standing in self.standings if standing.at <= moment]
        return bool(until_then) and max(until_then, key=lambda s: s.sequence).reachable

    def arrival_after(self, moment: datetime.datetime) -> Arrival | None:
        """When it could first be told, later than that moment."""
        return min(((s.at, self.id) for s in self.standings if s.reachable and s.at > moment), default=None)


@dataclasses.dataclass(kw_only=True)
class Announcement:
    """An event that stakeholders are told of (unless `announced` is False), with what a notice needs to say it.

    `nobody_until` names the parties that nobody could be told for when it happened, and who came along first for each
    (None while nobody has).
    """

    id: str
    type: str
    at: datetime.datetime
    announced: bool
    parties: tuple[Party, ...]
    audit_id: str | None
    certificate_number: int | None
    facts: dict[str, Any]
    nobody_until: dict[Party, Arrival | None] = dataclasses.field(default_factory=dict)
    version: int = 0


@dataclasses.dataclass(kw_only=True)
class Notice:
    """One person is told of one event, once. Holds no address."""

    id: str
    about: str
    type: str
    audit_id: str | None
    certificate_number: int | None
    party: Party
    contact_id: str
    language: str
    channel: str
    created_at: datetime.datetime
    message_id: str
    state: NoticeState = NoticeState.PENDING
    attempts: int = 0
    sent_at: datetime.datetime | None = None
    body_sha256: str | None = None
    reply_code: int | None = None
    last_error: str | None = None
    version: int = 0

    def taken(self, *, at: datetime.datetime, language: str, body_sha256: str) -> list[Any]:
        """The mail server said yes: its word counts, whatever we thought of the notice meanwhile."""
        self.state, self.sent_at = NoticeState.SENT, at
        self.language, self.body_sha256 = language, body_sha256
        self.attempts += 1
        self.reply_code = self.last_error = None
        return [
            NoticeSent(
                notice_id=self.id,
                notice_type=self.type,
                about=self.about,
                audit_id=self.audit_id,
                contact_id=self.contact_id,
                party=self.party,
                channel=self.channel,
                sent_at=at,
            )
        ]

    def refused(self, reply_code: int, error: str) -> None:
        """The mail server said no for good."""
        self.state = NoticeState.FAILED
        self._attempted(reply_code, error)

    def put_off(self, reply_code: int | None, error: str, delays_s: Sequence[float]) -> datetime.timedelta | None:
        """The mail server was away or said not now. Answers when to try again; None when it is given up."""
        self._attempted(reply_code, error)
        if self.attempts > len(delays_s):
            self.state = NoticeState.DEAD
            return None
        return datetime.timedelta(seconds=delays_s[self.attempts - 1])

    def _attempted(self, reply_code: int | None, error: str) -> None:
        self.attempts += 1
        self.reply_code = reply_code
        self.last_error = error[:ERROR_LENGTH_MAX]


def notice_id(about: str, contact_id: str) -> str:
    """The id of the one notice that tells this contact of this event."""
    return f"ntc-{hashlib.sha256(f'{about}|{contact_id}'.encode()).hexdigest()[:32]}"


def masked(address: str) -> str:
    """The address as it may be shown: `p•••@example.org`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
