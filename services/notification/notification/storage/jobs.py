"""What notification has itself do later: the kinds of its jobs, their keys and payloads."""

import datetime
from collections.abc import Iterable

from notification.domain.notices.announcement import Announcement
from notification.domain.notices.notice import Notice
from notification.domain.recipients.contact import Contact, ReachabilityChange
from notification.storage.contacts import fingerprint
from notification.storage.unit_of_work import Unit
from notification.storage.values import moment_text, party_key

SEND_NOTICE, CHECK_ANNOUNCEMENT, CATCH_UP = "send_notice", "check_announcement", "catch_up"
SEND_AGAIN = "send_again"


class Jobs:
    """Sets jobs; they run after the commit that sets them."""

    def __init__(self, unit: Unit):
        self._unit = unit

    def send(self, notice: Notice, *, due_at: datetime.datetime) -> None:
        self._unit.schedule(SEND_NOTICE, notice.id, due_at)

    def send_never(self, notice: Notice) -> None:
        self._unit.unschedule(SEND_NOTICE, notice.id)

    def send_again(self, contact: Contact, *, due_at: datetime.datetime, after: str) -> None:
        """Have what did not go out to this contact, which was mended, sent again from position `after` on."""
        payload = {"contact_id": contact.id, "after": after}
        self._unit.schedule(SEND_AGAIN, f"{contact.id}.{contact.sequence}", due_at, payload)

    def send_again_if_mended(self, notice: Notice, contact: Contact, *, due_at: datetime.datetime, after: str) -> None:
        """As `send_again`, if the contact was changed while the notice was on its way: then neither saw the other."""
        payload = {"contact_id": contact.id, "after": after, "unless_version": contact.version}
        self._unit.schedule(SEND_AGAIN, notice.id, due_at, payload)

    def check(self, announcement: Announcement, contacts: Iterable[Contact], *, due_at: datetime.datetime) -> None:
        """Have it looked at once more: a contact may be stored at the same moment, each unseen by the other.

        `contacts` are those of its parties that its recipients were resolved with.
        """
        parties = [party_key(party) for party in announcement.parties]
        payload = {"parties": parties, "contacts": fingerprint((c.id, c.version) for c in contacts)}
        self._unit.schedule(CHECK_ANNOUNCEMENT, announcement.id, due_at, payload)

    def catch_up(
        self, contact_id: str, change: ReachabilityChange, *, due_at: datetime.datetime, after: str = ""
    ) -> None:
        """Have what happened before this change came to our knowledge looked at again, from position `after` on."""
        payload = {
            "contact_id": contact_id,
            "sequence": change.sequence,
            "at": moment_text(change.at),
            "reachable": change.reachable,
            "after": after,
        }
        self._unit.schedule(CATCH_UP, f"{contact_id}.{change.sequence}", due_at, payload)
