"""The event log: what went out is kept there for good, and is inserted once and never changed."""

import collections
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from pymongo import DeleteOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database

from touchstone_chassis.mongo.client import transact
from touchstone_chassis.mongo.server_time import machine_time
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.ids import is_ours, new_id
from touchstone_contracts.bookkeeping import EVENT_COUNTS, EVENTS, OUTBOX, REPUBLICATIONS

KEPT = (
    *("_id", "exchange", "routing_key", "type", "subject", "sequence", "correlation_id", "causation_id", "trigger"),
    *("by", "body", "signature", "signed_later", "personal", "attempts", "last_outcome", "recorded_at", "time"),
)
"""What the log keeps of an outbox row, beside the moment when the broker confirmed it."""
ADOPTED_AT_ONCE = 200


class EventLog:
    """Moves rows from the outbox to the log when the broker has confirmed them."""

    def __init__(
        self,
        database: Database,
        sign: Callable[[Sequence[bytes]], Iterable[str]],
        now: Callable[[], datetime.datetime] = machine_time,
    ):
        """`sign` is for what the release before announced; `now` must be the same for all replicas."""
        self._database, self._sign, self._now = database, sign, now

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """All or nothing, and once: what is in the log already only leaves the outbox. Raises a PyMongoError."""
        if rows:
            now = self._now()
            transact(self._database, lambda session: self._move(rows, now, session))
            fault_point("relay_mark")

    def adopt(self) -> int:
        """Take over what the release before left marked in the outbox, and sign it; gives how many there were.

        It is marked as signed later: until then anybody who had an account of the broker's could have written it.
        """
        left = {"expires_at": {"$gt": datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)}}
        rows = list(self._database[OUTBOX].find(left, sort=[("expires_at", 1)], limit=ADOPTED_AT_ONCE))
        unsigned = [row for row in rows if row.get("body") and not row.get("signature")]
        for row, signature in zip(unsigned, self._sign([row["body"] for row in unsigned]), strict=True):
            row |= {"signature": signature, "signed_later": True}
        self.append(rows)
        return len(rows)

    def _move(self, rows: Sequence[dict[str, Any]], now: datetime.datetime, session: ClientSession) -> None:
        events = [row for row in rows if "properties" not in row]  # a copy, or what is no event of ours, only leaves
        ids = [row["_id"] for row in events]
        log = self._database[EVENTS]
        known = {found["_id"] for found in log.find({"_id": {"$in": ids}}, {"_id": 1}, session=session)} if ids else ()
        new = {row["_id"]: _entry(row, now) for row in reversed(events) if row["_id"] not in known}
        if new:
            log.insert_many(list(new.values()), session=session)
        counted = collections.Counter(entry["type"] for id, entry in new.items() if is_ours(id))
        if counted:
            increments = [UpdateOne({"_id": t}, {"$inc": {"count": n}}, upsert=True) for t, n in counted.items()]
            self._database[EVENT_COUNTS].bulk_write(increments, session=session)
        again = [_republication(row, now) for row in events if "waits_since" in row]
        if again:
            self._database[REPUBLICATIONS].insert_many(again, session=session)
        self._leave(rows, session)

    def _leave(self, rows: Sequence[dict[str, Any]], session: ClientSession) -> None:
        """Out of the outbox, but for a row that is to go out once more since it was read."""
        first = [row["_id"] for row in rows if "waits_since" not in row]
        again = [{"_id": row["_id"], "waits_since": row["waits_since"]} for row in rows if "waits_since" in row]
        if first:
            self._database[OUTBOX].delete_many({"_id": {"$in": first}, "waits_since": None}, session=session)
        if again:
            self._database[OUTBOX].bulk_write([DeleteOne(row) for row in again], session=session)


def _entry(row: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    """What was personal in it leaves with the confirm; that there was an event, and when, stays."""
    entry = {name: row[name] for name in KEPT if name in row} | {"published_at": row.get("published_at", now)}
    if row["personal"] and "body" in row:
        entry |= {"time": orjson.loads(entry.pop("body"))["time"]}
        entry.pop("signature", None)
    return entry


def _republication(row: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    return {"_id": new_id(), "event_id": row["_id"], "published_at": now, "why": row.get("republished", [])}
