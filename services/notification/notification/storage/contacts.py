"""Contacts in the database: the only place that holds addresses."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from notification.domain.recipients.contact import Contact, ReachabilityChange
from notification.storage.unit_of_work import Question, Unit
from notification.storage.values import moment, moment_text, party_key, party_of
from touchstone_contracts.topology import Index
from touchstone_contracts.values import Party

CONTACTS = "contacts"
INDEXES = (Index(collection="contacts", keys=[("party", 1)]),)


class Contacts:
    def __init__(self, unit: Unit):
        self._unit = unit

    @staticmethod
    def query_of(id: str) -> Question:
        """What `get` reads."""
        return (CONTACTS, {"_id": id}, None, 1)

    def get(self, id: str) -> Contact | None:
        document = self._unit.find_one(CONTACTS, {"_id": id})
        return _contact(document) if document else None

    def of(self, parties: Iterable[Party]) -> list[Contact]:
        return [_contact(d) for d in self._unit.find(CONTACTS, {"party": {"$in": [party_key(p) for p in parties]}})]

    def as_in(self, payload: Mapping[str, Any]) -> bool:
        """Whether the contacts of an announcement's parties are still those that its recipients were resolved with.

        `payload` is that of the job that `Jobs.check` set. One of an earlier release does not say.
        """
        if "contacts" not in payload:
            return False
        found = self._unit.find(CONTACTS, {"party": {"$in": payload["parties"]}}, projection={"version": 1})
        return fingerprint((d["_id"], d["version"]) for d in found) == payload["contacts"]

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
                {"sequence": c.sequence, "at": moment_text(c.at), "reachable": c.reachable} for c in contact.changes
            ],
        }
        self._unit.save(CONTACTS, document)


def fingerprint(contacts: Iterable[tuple[str, int]]) -> str:
    """Another text as soon as one of these contacts (id, version) has changed, or there is another one."""
    return hashlib.sha256("\n".join(sorted(f"{id} {version}" for id, version in contacts)).encode()).hexdigest()


def _contact(document: dict[str, Any]) -> Contact:
    return Contact(
        id=document["_id"],
        party=party_of(document["party"]),
        name=document["name"],
        address=document["address"],
        language=document["language"],
        channels=tuple(document["channels"]),
        active=document["active"],
        sequence=document["sequence"],
        changes=tuple(
            ReachabilityChange(sequence=row["sequence"], at=moment(row["at"]), reachable=row["reachable"])
            for row in document["standings"]
        ),
        version=document["version"],
    )
