"""Notices: one person is told of one event, and the notice's way to the mail server."""

import dataclasses
import datetime
import enum
import hashlib
from collections.abc import Sequence
from typing import Any

from touchstone_contracts.events.notification import NoticeSent
from touchstone_contracts.values import Party

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
