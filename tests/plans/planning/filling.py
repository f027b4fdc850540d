"""Copies what a run left in the services' databases, many times, as the years of a register would have."""

import datetime
import re
from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection

COPIES = 1_500
ONE_MEMBER, MANY_MEMBERS = REGIMES = ("one", "many")
"""All copies are of the members and bodies of the run, and done with: the most that one member can have. Or they are of
others, and some of all kinds, under way or done with: the most that can lie between the things that one asks for."""
PARTIES = {"member_id", "body_id", "party", "parties", "party.id"}
KINDS = {"standard_code", "queue", "reason", "event_type"}
IDENTIFYING = {"_id", "number", "key", "subject", "about", "position", "certificate_number"}
"""Fields, beside those that end in `_id`, by which a copy differs from its original."""
SETTLED: dict[str, dict[str, Any]] = {
    "audits": {"state": "accepted"},
    "cases": {"state": "decided"},
    "certificates": {"open": True},
    "notices": {"state": "sent"},
    "announcements": {"nobody_until.arrival": {"$ne": "9999"}, "announced": True},
    "dead_letters": {"state": {"$in": ["replayed", "discarded"]}},
    "deadlines": {"kind": "certificate_expiry"},
}
"""What grows without end: it is copied rather than what is under way, of which there is always only a little."""
MEETS_SELDOM: dict[str, dict[str, Any]] = {
    "announcements": {"nobody_until.arrival": "9999"},
    "notices": {"state": "failed"},
}
"""What a tour leaves little of, and years a lot: half of the copies of others are of it."""
NEVER_MANY = {"outbox", "deadlines"}
"""What is under way in these is always little: rows that wait for the broker, and what is due."""
WAITING = {
    "pending": True,
    "attempts": 0,
    "next_attempt_at": datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1),
}
BOUNDED = {
    "backfills": "one document for each consumer",
    "event_counts": "one document for each type of event",
    "handled_counts": "one document for each event that is handled",
    "heartbeats": "one document for each producer",
    "leases": "one document for each job that runs alone",
    "sequences": "one document for each sequence of numbers",
    "migrations": "one document for each migration that ran",
    "obligations": "what the Secretariat publishes, a few in the life of a scheme",
    "standards": "what the Secretariat publishes of a handful of standards",
    "rule_sets": "what the Secretariat publishes, a few in the life of a scheme",
    "mandates": "what the Secretariat signs by hand, a handful a year",
    "readiness": "emptied by each look that writes into it",
    "restores": "one document for each restore of the database",
}
"""Collections that do not grow with audits, with the reason: here they have one document at least, and no copies."""
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00)(.*)", re.DOTALL)


class Growing:
    """Fills databases out of those of a run. What one service has none of, it gets as another has it."""

    def __init__(self, client: MongoClient[dict[str, Any]], sources: Mapping[str, str]) -> None:
        """`sources`: the databases of the run, by service."""
        self._client, self._sources = client, sources

    def fill(self, service: str, target: str, asked: set[str], regime: str) -> dict[str, int]:
        """Everything of the service's, and copies; the size of each collection that is there or is asked for."""
        into, names = self._client[target], asked | set(self._client[self._sources[service]].list_collection_names())
        wanted = sorted(name for name in names if not name.startswith("system."))
        for name in wanted:
            originals = self._originals(service, name)
            into[name].delete_many({})  # what migrations put into a new database is among the originals, too
            into[name].insert_many(originals or [{}])
            if name not in BOUNDED:
                _multiply(self._patterns(service, name, regime), into[name], regime)
        return {name: into[name].estimated_document_count() for name in wanted}

    def _originals(self, service: str, name: str) -> list[dict[str, Any]]:
        return list(self._client[self._sources[service]][name].find().limit(COPIES))

    def _patterns(self, service: str, name: str, regime: str) -> list[dict[str, Any]]:
        others = [other for other in self._sources if other != service]
        collections = [self._client[self._sources[one]][name] for one in (service, *others)]
        if name == "outbox":  # empty but for moments; with the broker away it would hold what the log holds
            logs = [self._client[self._sources[one]]["events"] for one in (service, *others)]
            return [event | WAITING for event in _first_found(logs, {})]
        if regime == ONE_MEMBER or name in NEVER_MANY:
            return _first_found(collections, SETTLED.get(name, {})) or _first_found(collections, {})
        usual = _first_found(collections, {})
        seldom = _first_found(collections, MEETS_SELDOM[name]) if name in MEETS_SELDOM else []
        return [half[n % len(half)] for n in range(len(usual)) for half in (usual, seldom) if half]


def _first_found(collections: list[Collection[dict[str, Any]]], filter: dict[str, Any]) -> list[dict[str, Any]]:
    """Some that a service has; the first service that has any."""
    found = (list(collection.find(filter).limit(50)) for collection in collections)
    return next((documents for documents in found if documents), [])


def _multiply(patterns: list[dict[str, Any]], into: Collection[dict[str, Any]], regime: str) -> None:
    indexes = into.index_information().values()
    unique = {field for index in indexes if index.get("unique") for field, _ in index["key"]}
    fresh = (unique | IDENTIFYING) - KINDS
    if regime == MANY_MEMBERS:
        fresh |= PARTIES | KINDS
    made = [copy_of(patterns[n % len(patterns)], n, fresh) for n in range(COPIES)] if patterns else []
    for start in range(0, len(made), 500):
        into.insert_many(made[start : start + 500])


def copy_of(document: Mapping[str, Any], n: int, fresh: set[str]) -> dict[str, Any]:
    """The n-th copy: another thing, some minutes longer ago (or later, where it is still to come), alike in the rest.

    `fresh` are the fields that are its own.
    """
    return {name: _other(name, value, n, fresh) for name, value in document.items()}


def _other(name: str, value: Any, n: int, fresh: set[str]) -> Any:
    if isinstance(value, datetime.datetime):
        return _shifted(value, n)
    if isinstance(value, ObjectId):
        return ObjectId()
    if name == "party" and name in fresh and isinstance(value, dict):
        return {k: _other(f"party.{k}", v, n, fresh) for k, v in value.items()}
    if isinstance(value, list) and (name == "parties" or all(isinstance(inner, dict) for inner in value)):
        return [copy_of(i, n, fresh) if isinstance(i, dict) else _other(name, i, n, fresh) for i in value]
    identifies = name in fresh or (name.endswith("_id") and name not in PARTIES)
    if isinstance(value, str) and (moment := _MOMENT.fullmatch(value)):
        earlier = _shifted(datetime.datetime.fromisoformat(moment[1]), n).isoformat(timespec="microseconds")
        return earlier + moment[2] + (f"~{n}" if identifies and moment[2] else "")
    if identifies and isinstance(value, str):
        return f"{value}~{n}"
    if identifies and isinstance(value, int) and not isinstance(value, bool):
        return value + 100_000 * (n + 1)
    return value


def _shifted(moment: datetime.datetime, n: int) -> datetime.datetime:
    minutes = datetime.timedelta(minutes=n + 1)
    return moment + minutes if moment > datetime.datetime.now(datetime.UTC) else moment - minutes
