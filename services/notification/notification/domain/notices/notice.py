"""Notices: one person is told of one event, and the notice's way to the mail server."""

import dataclasses
import datetime
import enum
import hashlib
from collections.abc import Sequence
from typing import Any

from touchstone_contracts.errors import IllegalTransition
from touchstone_contracts.events.notification import NoticeSent
from touchstone_contracts.values import Party

ERROR_LENGTH_MAX = 300
OUTDATED = datetime.timedelta(days=60)
"""A notice that did not go out is shown for so long, and goes out by itself when its contact is mended meanwhile."""


class NoticeState(enum.Enum):
    """Where a notice stands. Only a pending one is ever sent; in every other state it may become pending again."""

    PENDING = "pending"
    SENT = "sent"
    """The mail server took it."""
    FAILED = "failed"
    """The mail server refused it for good, or its address cannot stand in a mail."""
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

    def refused(self, reply_code: int | None, error: str) -> None:
        """The mail server said no for good; without a reply code, it was not asked."""
        self.state = NoticeState.FAILED
        self._attempted(reply_code, error)

    def put_off(self, reply_code: int | None, error: str, delays_s: Sequence[float]) -> datetime.timedelta | None:
        """The mail server was away or said not now. Answers when to try again; None when it is given up."""
        self._attempted(reply_code, error)
        if self.attempts > len(delays_s):
            self.state = NoticeState.DEAD
            return None
        return datetime.timedelta(seconds=delays_s[self.attempts - 1])

    def again(self) -> None:
        """Have it sent once more, from the first try on. Raises IllegalTransition where somebody else is to be told."""
        if self.state is NoticeState.NOT_DUE:
            raise IllegalTransition(f"{self.id} is not due: somebody else was the one to tell.")
        if self.state is NoticeState.SENT:  # under its old Message-ID whoever has the first one might not see it
            id, _, domain = self.message_id.strip("<>").partition("@")
            times = int(id.partition(".")[2] or 1)
            self.message_id = f"<{self.id}.{times + 1}@{domain}>"
        self.state, self.attempts = NoticeState.PENDING, 0

    def _attempted(self, reply_code: int | None, error: str) -> None:
        self.attempts += 1
        self.reply_code = reply_code
        self.last_error = error[:ERROR_LENGTH_MAX]


def notice_id(about: str, contact_id: str) -> str:
    """The id of the one notice that tells this contact of this event."""
    return f"ntc-{hashlib.sha256(f'{about}|{contact_id}'.encode()).hexdigest()[:32]}"
