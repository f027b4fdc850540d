"""Notices in the database."""

import datetime
from collections.abc import Sequence
from typing import Any

from notification.domain.notices.notice import Notice, NoticeState
from notification.storage.unit_of_work import Unit
from notification.storage.values import moment, moment_text, party_key, party_of, position
from touchstone_contracts.topology import Index
from touchstone_contracts.values import Party

NOTICES = "notices"
NOT_DELIVERED = {"$in": [NoticeState.FAILED.value, NoticeState.DEAD.value, NoticeState.CANCELLED.value]}
INDEXES = (
    # One notice for an event and a person, ever.
    Index(collection="notices", keys=[("about", 1), ("contact_id", 1)], unique=True),
    Index(collection="notices", keys=[("position", 1)], unique=True),
    Index(collection="notices", keys=[("audit_id", 1), ("position", 1)]),
    Index(collection="notices", keys=[("party", 1), ("position", 1)]),
    Index(collection="notices", keys=[("state", 1), ("position", 1)]),
    # Partial: few notices are not delivered, and no other is written any slower for it.
    Index(collection="notices", keys=[("contact_id", 1), ("position", 1)], partial={"state": NOT_DELIVERED}),
)


class Notices:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Notice | None:
        document = self._unit.find_one(NOTICES, {"_id": id})
        return _notice(document) if document else None

    def about(self, announcement_id: str) -> list[Notice]:
        return [_notice(d) for d in self._unit.find(NOTICES, {"about": announcement_id})]

    def page(
        self, *, audit_id: str | None, party: Party | None, state: NoticeState | None, limit: int, after: str | None
    ) -> list[Notice]:
        """At most `limit` notices in the order in which they were made, behind the position `after`."""
        filter: dict[str, Any] = {}
        if audit_id:
            filter["audit_id"] = audit_id
        if party:
            filter["party"] = party_key(party)
        if state:
            filter["state"] = state.value
        if after:
            filter["position"] = {"$gt": after}
        return [_notice(d) for d in self._unit.find(NOTICES, filter, sort=[("position", 1)], limit=limit)]

    def unfinished(
        self, *, audit_id: str | None, given_up_since: datetime.datetime, limit: int, after: str
    ) -> list[Notice]:
        """Notices to be sent, and those that were given up since that moment, in order, behind the position `after`."""
        given_up = [NoticeState.FAILED.value, NoticeState.DEAD.value]
        filter: dict[str, Any] = {"audit_id": audit_id} if audit_id else {}
        filter |= {
            "$or": [
                {"state": NoticeState.PENDING.value, "position": {"$gt": after}},
                {"state": {"$in": given_up}, "position": {"$gt": max(after, moment_text(given_up_since))}},
            ]
        }
        return [_notice(d) for d in self._unit.find(NOTICES, filter, sort=[("position", 1)], limit=limit)]

    def not_delivered_to(self, contact_id: str, *, after: str, limit: int) -> list[Notice]:
        """What was to be told to that contact and did not go out, in order, behind the position `after`."""
        filter = {"contact_id": contact_id, "state": NOT_DELIVERED, "position": {"$gt": after}}
        return [_notice(d) for d in self._unit.find(NOTICES, filter, sort=[("position", 1)], limit=limit)]

    def save(self, notice: Notice, events: Sequence[Any] = ()) -> None:
        document = {
            "_id": notice.id,
            "version": notice.version,
            "schema_version": 1,
            "position": position(notice),
            "about": notice.about,
            "type": notice.type,
            "audit_id": notice.audit_id,
            "certificate_number": notice.certificate_number,
            "party": party_key(notice.party),
            "contact_id": notice.contact_id,
            "language": notice.language,
            "channel": notice.channel,
            "created_at": moment_text(notice.created_at),
            "message_id": notice.message_id,
            "state": notice.state.value,
            "attempts": notice.attempts,
            "sent_at": moment_text(notice.sent_at) if notice.sent_at else None,
            "body_sha256": notice.body_sha256,
            "reply_code": notice.reply_code,
            "last_error": notice.last_error,
        }
        self._unit.save(NOTICES, document, events)


def _notice(document: dict[str, Any]) -> Notice:
    fields = {k: v for k, v in document.items() if k not in ("_id", "schema_version", "position")}
    return Notice(
        **fields
        | {
            "id": document["_id"],
            "party": party_of(document["party"]),
            "created_at": moment(document["created_at"]),
            "state": NoticeState(document["state"]),
            "sent_at": moment(document["sent_at"]) if document["sent_at"] else None,
        }
    )
