"""Announcements in the database, and who was told of them in time."""

import datetime
from typing import Any

from notification.domain.notices.announcement import Announcement
from notification.domain.recipients.contact import Arrival
from notification.storage.unit_of_work import Question, Unit
from notification.storage.values import moment, moment_text, party_key, party_of, position
from touchstone_contracts.topology import Index
from touchstone_contracts.values import Party

ANNOUNCEMENTS = "announcements"
NEVER = "9999"
"""Later than every moment."""
INDEXES = (
    Index(collection="announcements", keys=[("parties", 1), ("position", 1)]),
    Index(collection="announcements", keys=[("nobody_until.party", 1), ("nobody_until.arrival", 1)]),
    Index(collection="announcements", keys=[("nobody_until.arrival", 1), ("position", 1)]),
    Index(collection="announcements", keys=[("audit_id", 1), ("position", 1)], partial={"nobody_until.arrival": NEVER}),
)


class Announcements:
    def __init__(self, unit: Unit):
        self._unit = unit
        self._asked: set[str] = set()

    def is_repeated(self, id: str) -> bool:
        """Whether what is to be announced was announced before.

        Repeated messages are known before they come here, so nothing is looked up the first time. If there is one all
        the same, saving it clashes, the handler runs again with this store, and asks a second time.
        """
        if id in self._asked:
            return self.get(id) is not None
        self._asked.add(id)
        return False

    @staticmethod
    def query_of(id: str) -> Question:
        """What `get` reads."""
        return (ANNOUNCEMENTS, {"_id": id}, None, 1)

    def get(self, id: str) -> Announcement | None:
        document = self._unit.find_one(ANNOUNCEMENTS, {"_id": id})
        return _announcement(document) if document else None

    def since(self, party: Party, at: datetime.datetime, *, after: str, limit: int) -> list[Announcement]:
        """What the party was to be told of that happened at that moment or later, in order, behind `after`."""
        lowest = {"$gt": after} if after else {"$gte": moment_text(at)}
        filter = {"parties": party_key(party), "announced": True, "position": lowest}
        return [_announcement(d) for d in self._unit.find(ANNOUNCEMENTS, filter, sort=[("position", 1)], limit=limit)]

    def told_to_nobody_before(self, party: Party, arrival: Arrival, *, limit: int) -> list[Announcement]:
        """What happened before that arrival and was told to nobody of the party, or only to who came later still."""
        filter = {
            "nobody_until": {"$elemMatch": {"party": party_key(party), "arrival": {"$gt": _arrival_text(arrival)}}},
            "position": {"$lt": moment_text(arrival[0])},
        }
        return [_announcement(d) for d in self._unit.find(ANNOUNCEMENTS, filter, limit=limit)]

    def save(self, announcement: Announcement) -> None:
        document = {
            "_id": announcement.id,
            "version": announcement.version,
            "schema_version": 1,
            "type": announcement.type,
            "at": moment_text(announcement.at),
            "position": position(announcement),
            "announced": announcement.announced,
            "parties": [party_key(party) for party in announcement.parties],
            "audit_id": announcement.audit_id,
            "certificate_number": announcement.certificate_number,
            "facts": announcement.facts,
            "nobody_until": [
                {"party": party_key(party), "arrival": _arrival_text(arrival)}
                for party, arrival in announcement.nobody_until.items()
            ],
        }
        self._unit.save(ANNOUNCEMENTS, document)

    def without_anybody(self, *, audit_id: str | None, limit: int, after: str) -> list[Announcement]:
        """What nobody can be told of for some party, in order, behind the position `after`."""
        filter = {"nobody_until.arrival": NEVER, "announced": True, "position": {"$gt": after}}
        filter |= {"audit_id": audit_id} if audit_id else {}
        return [_announcement(d) for d in self._unit.find(ANNOUNCEMENTS, filter, sort=[("position", 1)], limit=limit)]


def _arrival_text(arrival: Arrival | None) -> str:
    return f"{moment_text(arrival[0])} {arrival[1]}" if arrival else NEVER


def _arrival(text: str) -> Arrival | None:
    if text == NEVER:
        return None
    at, _, contact_id = text.partition(" ")
    return moment(at), contact_id


def _announcement(document: dict[str, Any]) -> Announcement:
    return Announcement(
        id=document["_id"],
        type=document["type"],
        at=moment(document["at"]),
        announced=document["announced"],
        parties=tuple(party_of(key) for key in document["parties"]),
        audit_id=document["audit_id"],
        certificate_number=document["certificate_number"],
        facts=document["facts"],
        nobody_until={party_of(row["party"]): _arrival(row["arrival"]) for row in document["nobody_until"]},
        version=document["version"],
    )
