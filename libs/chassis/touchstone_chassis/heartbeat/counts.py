"""Counts what a service announced and what it handled, each event once: by an event's name, without its version."""

import collections
from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from touchstone_chassis.mongo.client import transact
from touchstone_chassis.unit_of_work.ids import is_ours
from touchstone_contracts.bookkeeping import (
    DEAD_LETTERS,
    EVENT_COUNTS,
    EVENTS,
    HANDLED_COUNTS,
    INBOX,
    OUTBOX,
)
from touchstone_contracts.registry import name_of

TALLIED_AT_ONCE = 1_000
WAITING_MAX = 1_000
_FIRST = {"properties": {"$exists": False}, "waits_since": {"$exists": False}}
"""Rows of the outbox that are in no log yet: no copies, and nothing that goes out once more."""

Counts = dict[str, int]


def committed(database: Database) -> Counts | None:
    """How many events of each name the service has committed; None while more than WAITING_MAX wait for the broker.

    One that is moved to the log meanwhile may count twice: whoever compares finds that one is lacking, and looks again.
    """
    waiting = list(database[OUTBOX].find({"pending": True, **_FIRST}, {"type": 1}, limit=WAITING_MAX + 1))
    if len(waiting) > WAITING_MAX:
        return None
    counted = collections.Counter(name_of(row["type"]) for row in waiting if is_ours(row["_id"]))
    for logged in database[EVENT_COUNTS].find():
        counted[name_of(logged["_id"])] += logged["count"]
    return dict(counted)


def committed_before(database: Database, boundary: str) -> Counts:
    """How many events of each name have an id below `boundary`."""
    counted: collections.Counter[str] = collections.Counter()
    for collection, more in ((OUTBOX, _FIRST), (EVENTS, {})):
        which = {"_id": {"$lt": boundary, "$regex": "^.{12}7"}, **more}
        for found in database[collection].aggregate(
            [{"$match": which}, {"$group": {"_id": "$type", "n": {"$sum": 1}}}]
        ):
            counted[name_of(found["_id"])] += found["n"]
    return dict(counted)


def handled(database: Database) -> Counts:
    """How many events of each name the service has handled, as far as they are tallied."""
    return {found["_id"]: found["count"] for found in database[HANDLED_COUNTS].find()}


def tally(database: Database, handlers: Mapping[str, str], service: str) -> int:
    """Add what was handled since the last time; gives how much was looked at. By one replica at a time.

    `handlers`: of each event type, its handler's durable name. What was discarded counts as handled.
    """
    new = list(database[INBOX].find({"counted": False}, {"event": 1}, limit=TALLIED_AT_ONCE))
    letters = list(database[DEAD_LETTERS].find({"counted": False}, limit=100))
    if not new and not letters:
        return 0
    met = _met(database, letters, handlers, service)

    def add(session: ClientSession) -> None:
        counted = collections.Counter(document["event"] for document in new)
        counted += collections.Counter(name_of(d["event_type"]) for d in letters if d["_id"] not in met)
        _mark(database, INBOX, new, session)
        _mark(database, DEAD_LETTERS, letters, session)
        if counted:
            increments = [UpdateOne({"_id": name}, {"$inc": {"count": n}}, upsert=True) for name, n in counted.items()]
            database[HANDLED_COUNTS].bulk_write(increments, session=session)

    transact(database, add)
    return len(new) + len(letters)


def settle(
    database: Database, handlers: Mapping[str, str], service: str, before: Mapping[str, int], boundary: str
) -> None:
    """After a backfill: what has an id below `boundary` is handled, all that is parked of it excepted, and of what came
    since as much as the inbox knows."""
    names = {name_of(type_name) for type_name in handlers}
    since: collections.Counter[str] = collections.Counter()

    def begin_anew(session: ClientSession) -> None:
        since.clear()
        for handler in set(handlers.values()):
            key = f"{service}.{handler}/"
            which = {"_id": {"$gte": key + boundary, "$lt": key + "g"}}
            for document in database[INBOX].find(which, {"event": 1}, session=session):
                if "/" not in document["_id"].removeprefix(key):  # that one says by which run it came
                    since[document.get("event", "")] += 1
        parked = {"state": "parked", "event_id": {"$lt": boundary}}
        for letter in database[DEAD_LETTERS].find(parked, {"event_type": 1, "event_id": 1}, session=session):
            if letter["event_type"] and is_ours(letter["event_id"]):
                since[name_of(letter["event_type"])] -= 1
        of_these = {"event": {"$in": sorted(before)}, "counted": False}
        database[INBOX].update_many(of_these, {"$set": {"counted": True}}, session=session)
        for name in names & before.keys():
            count = before[name] + since[name]
            database[HANDLED_COUNTS].update_one({"_id": name}, {"$set": {"count": count}}, upsert=True, session=session)

    transact(database, begin_anew)


def _met(database: Database, letters: Iterable[Mapping[str, Any]], handlers: Mapping[str, str], service: str) -> set:
    """Those letters that count for nothing: of no event of ours, or of one that was handled all the same."""
    keys = {
        f"{service}.{handlers[d['event_type']]}/{d['event_id']}": d["_id"]
        for d in letters
        if d["event_type"] in handlers and is_ours(d["event_id"] or "")
    }
    known = database[INBOX].find({"_id": {"$in": list(keys)}}, {"_id": 1}) if keys else ()
    return {d["_id"] for d in letters} - set(keys.values()) | {keys[document["_id"]] for document in known}


def _mark(database: Database, name: str, documents: Iterable[Mapping[str, Any]], session: ClientSession) -> None:
    ids = [document["_id"] for document in documents]
    if ids:
        database[name].update_many({"_id": {"$in": ids}}, {"$set": {"counted": True}}, session=session)
