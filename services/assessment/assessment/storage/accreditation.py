"""Certification bodies and auditors as documents."""

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from assessment.domain.accreditation import Auditor, Body, Grant
from assessment.storage.unit_of_work import Question, Unit
from touchstone_contracts.topology import Index

BODIES, AUDITORS = "bodies", "auditors"
COLLECTIONS = (BODIES,)
INDEXES = (Index(collection=AUDITORS, keys=[("grants.body_ids", 1), ("_id", 1)]),)


class Bodies:
    def __init__(self, unit: Unit):
        self._unit = unit

    @staticmethod
    def query_of(id: str | None) -> Question:
        """What `get` reads; nothing, where there is no id."""
        return (BODIES, {"_id": id or {"$in": []}}, None, 1)

    def get(self, id: str) -> Body | None:
        document = self._unit.find_one(BODIES, {"_id": id})
        return _accredited(Body, document) if document else None

    def save(self, body: Body, events: Sequence[Any]) -> None:
        self._unit.save(BODIES, _accredited_document(body), events)


class Auditors:
    def __init__(self, unit: Unit):
        self._unit = unit

    @staticmethod
    def query_of(ids: Iterable[str]) -> Question:
        """What `find` reads."""
        return (AUDITORS, {"_id": {"$in": sorted(set(ids))}}, None, 0)

    def get(self, id: str) -> Auditor | None:
        return self.find([id]).get(id)

    def find(self, ids: Iterable[str]) -> dict[str, Auditor]:
        """Those of the auditors that are registered, by id."""
        documents = self._unit.find(AUDITORS, {"_id": {"$in": sorted(set(ids))}})
        return {document["_id"]: _auditor(document) for document in documents}

    def of_body(self, body_id: str, *, limit: int, after: str | None) -> list[Auditor]:
        """At most `limit` auditors with a grant for the body, by id, beginning behind `after`."""
        filter = {"grants.body_ids": body_id, "_id": {"$gt": after or ""}}
        found = self._unit.find(AUDITORS, filter, sort=[("_id", 1)], limit=limit)
        return [_auditor(document) for document in found]

    def save(self, auditor: Auditor) -> None:
        self._unit.save(AUDITORS, _accredited_document(auditor) | {"logins": list(auditor.logins)})


def _auditor(document: dict[str, Any]) -> Auditor:
    auditor: Auditor = _accredited(Auditor, document)
    return dataclasses.replace(auditor, logins=tuple(document.get("logins", ())))  # earlier releases wrote none


def _accredited_document(party: Body | Auditor) -> dict[str, Any]:
    return {
        "_id": party.id,
        "version": party.version,
        "schema_version": 1,
        "name": party.name,
        "grants": [_grant_document(grant) for grant in party.grants],
    }


def _accredited(kind: type, document: dict[str, Any]) -> Any:
    grants = tuple(_grant(grant) for grant in document["grants"])
    return kind(id=document["_id"], version=document["version"], name=document["name"], grants=grants)


def _grant_document(grant: Grant) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime.date) else list(value)
        for name, value in vars(grant).items()
    }


def _grant(document: dict[str, Any]) -> Grant:
    return Grant(
        standards=tuple(document["standards"]),
        countries=tuple(document["countries"]),
        activities=tuple(document["activities"]),
        valid_from=datetime.date.fromisoformat(document["valid_from"]),
        valid_until=datetime.date.fromisoformat(document["valid_until"]),
        body_ids=tuple(document["body_ids"]),
    )
