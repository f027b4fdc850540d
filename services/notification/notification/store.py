"""Contacts, announcements and notices as documents, and the deadlines that go with them.

Moments that are compared stand as text of fixed width: the database's own dates would lose the microseconds.
"""

import datetime
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from notification.domain import Announcement, Arrival, Contact, Notice, NoticeState, Standing
from touchstone_contracts.values import Party, PartyKind

CONTACTS, ANNOUNCEMENTS, NOTICES = "contacts", "announcements", "notices"

SEND_NOTICE = "send_notice"
CHECK_ANNOUNCEMENT = "check_announcement"
CATCH_UP = "catch_up"

NEVER = "9999"
"""Later than every moment."""


class Unit(Protocol):
    """What a store needs of a unit of work."""

    def find_one(self, collection: str, filter: Mapping[str, Any]) -> dict[str, Any] | None: ...

    def find(
        self,
        collection: str,
        filter: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Any = None,
    ) -> list[dict[str, Any]]: ...

    def save(self, collection: str, document: dict[str, Any], events: Iterable[Any] = ()) -> None: ...

    def schedule(
        self, kind: str, key: str, due_at: datetime.datetime, payload: Mapping[str, Any] | None = None
    ) -> None: ...

    def unschedule(self, kind: str, key: str) -> None: ...


class Contacts:
    """The only place that holds addresses."""

    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, id: str) -> Contact | None:
        document = self._unit.find_one(CONTACTS, {"_id": id})
        return _contact(document) if document else None

    def of(self, parties: Iterable[Party]) -> list[Contact]:
        return [_contact(d) for d in self._unit.find(CONTACTS, {"party": {"$in": [party_key(p) for p in parties]}})]

    def as_in(self, payload: Mapping[str, Any]) -> bool:
        """Whether the contacts of an announcement's parties are still those that it was settled with.

        `payload` is that of the deadline that `Announcements.check_later` set. One of an earlier release does not say.
        """
        if "contacts" not in payload:
            return False
        found = self._unit.find(CONTACTS, {"party": {"$in": payload["parties"]}}, projection={"version": 1})
        return _mark((d["_id"], d["version"]) for d in found) == payload["contacts"]

    def by_id(self, ids: Iterable[str]) -> dict[str, Contact]:
        return {d["_id"]: _contact(d) for d in self._unit.find(CONTACTS, {"_id": {"$in": sorted(set(ids))}})}

    def save(self, contact: Contact) -> None:
        document = {
            "_id": contact.id,
            "version": contact.version,
            "schema_version": 1,
            "party": party_key(contact.party),
            "name": contact.name,
            "address": contact.address,
            "language": contact.language,
            "channels": list(contact.channels),
            "active": contact.active,
            "sequence": contact.sequence,
            "standings": [
                {"sequence": s.sequence, "at": moment_text(s.at), "reachable": s.reachable} for s in contact.standings
            ],
        }
        self._unit.save(CONTACTS, document)

    def catch_up_later(
        self, contact_id: str, standing: Standing, *, due_at: datetime.datetime, after: str = ""
    ) -> None:
        """Have what happened before this change came to our knowledge looked at again, from position `after` on."""
        payload = {
            "contact_id": contact_id,
            "sequence": standing.sequence,
            "at": moment_text(standing.at),
            "reachable": standing.reachable,
            "after": after,
        }
        self._unit.schedule(CATCH_UP, f"{contact_id}.{standing.sequence}", due_at, payload)


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

    def check_later(
        self, announcement: Announcement, contacts: Iterable[Contact], *, due_at: datetime.datetime
    ) -> None:
        """Have it looked at once more: a contact may be stored at the same moment, each unseen by the other.

        `contacts` are those of its parties that it was settled with.
        """
        parties = [party_key(party) for party in announcement.parties]
        payload = {"parties": parties, "contacts": _mark((c.id, c.version) for c in contacts)}
        self._unit.schedule(CHECK_ANNOUNCEMENT, announcement.id, due_at, payload)


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

    def send_later(self, notice: Notice, *, due_at: datetime.datetime) -> None:
        self._unit.schedule(SEND_NOTICE, notice.id, due_at)

    def send_never(self, notice: Notice) -> None:
        self._unit.unschedule(SEND_NOTICE, notice.id)


def _mark(contacts: Iterable[tuple[str, int]]) -> str:
    """Another text as soon as one of these contacts (id, version) has changed, or there is another one."""
    return hashlib.sha256("\n".join(sorted(f"{id} {version}" for id, version in contacts)).encode()).hexdigest()


def party_key(party: Party) -> str:
    return f"{party.kind.value}:{party.id}"


def _party(key: str) -> Party:
    kind, _, id = key.partition(":")
    return Party(kind=PartyKind(kind), id=id)


def position(item: Announcement | Notice) -> str:
    """Where it stands among its kind: by time, then by id."""
    return f"{moment_text(item.at if isinstance(item, Announcement) else item.created_at)}.{item.id}"


def moment_text(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).isoformat(timespec="microseconds")


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _arrival_text(arrival: Arrival | None) -> str:
    return f"{moment_text(arrival[0])} {arrival[1]}" if arrival else NEVER


def _arrival(text: str) -> Arrival | None:
    if text == NEVER:
        return None
    moment, _, contact_id = text.partition(" ")
    return _moment(moment), contact_id


def _contact(document: dict[str, Any]) -> Contact:
    return Contact(
        id=document["_id"],
        party=_party(document["party"]),
        name=document["name"],
        address=document["address"],
        language=document["language"],
        channels=tuple(document["channels"]),
        active=document["active"],
        sequence=document["sequence"],
        standings=tuple(
            Standing(sequence=row["sequence"], at=_moment(row["at"]), reachable=row["reachable"])
            for row in document["standings"]
        ),
        version=document["version"],
    )


def _announcement(document: dict[str, Any]) -> Announcement:
    return Announcement(
        id=document["_id"],
        type=document["type"],
        at=_moment(document["at"]),
        announced=document["announced"],
        parties=tuple(_party(key) for key in document["parties"]),
        audit_id=document["audit_id"],
        certificate_number=document["certificate_number"],
        facts=document["facts"],
        nobody_until={_party(row["party"]): _arrival(row["arrival"]) for row in document["nobody_until"]},
        version=document["version"],
    )


def _notice(document: dict[str, Any]) -> Notice:
    fields = {k: v for k, v in document.items() if k not in ("_id", "schema_version", "position")}
    return Notice(
        **fields
        | {
            "id": document["_id"],
            "party": _party(document["party"]),
            "created_at": _moment(document["created_at"]),
            "state": NoticeState(document["state"]),
            "sent_at": _moment(document["sent_at"]) if document["sent_at"] else None,
        }
    )
