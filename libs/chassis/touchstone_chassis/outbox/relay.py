"""Moves rows of the outbox to the broker: what was just committed, and by a sweep what a crash or outage left."""

import contextlib
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import structlog
from opentelemetry.trace import Link, SpanKind
from pymongo import UpdateOne
from pymongo.database import Database

from touchstone_chassis.amqp.publisher import ConfirmingPublisher, Outcome, Outgoing
from touchstone_chassis.mongo.client import RELAXED
from touchstone_chassis.mongo.server_time import machine_time
from touchstone_chassis.observability import metrics, tracing
from touchstone_chassis.outbox.lease import Lease
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.outbox_rows import OUTBOX_KEPT
from touchstone_contracts.envelope import SIGNATURE, amqp_properties
from touchstone_contracts.topology import own_queues

log = structlog.get_logger(__name__)

WINDOW_MAX = 200
BACKOFF_S_MAX = 60
COUNTED_MAX = 1_000


class Relay:
    """Moves outbox rows to the broker. Knows no framework: whoever runs it calls `publish` and `sweep`."""

    def __init__(
        self,
        database: Database,
        publisher: ConfirmingPublisher,
        sign: Callable[[Sequence[bytes]], Iterable[str]],
        now: Callable[[], datetime.datetime] = machine_time,
    ):
        """`sign` is for what the release before wrote; `now` must be the same for all replicas."""
        self._sign, self._now = sign, now
        self._outbox = database["outbox"]
        self._marks = self._outbox.with_options(write_concern=RELAXED)
        self._publisher = publisher
        self._lease = Lease(database, "outbox-sweep", now)

    def publish(self, rows: Sequence[dict[str, Any]]) -> int:
        """Publish `rows` in windows and mark what the broker confirmed. What it did not take stays for the sweep.

        Gives how many were confirmed.
        """
        return sum(self._publish(rows[start : start + WINDOW_MAX]) for start in range(0, len(rows), WINDOW_MAX))

    def _publish(self, window: Sequence[dict[str, Any]]) -> int:
        fault_point("relay_claim")
        messages = [self._outgoing(row) for row in window]
        attributes: tracing.Attributes = {
            "messaging.system": "rabbitmq",
            "messaging.operation.type": "send",
            "messaging.batch.message_count": len(messages),
        }
        with tracing.span("publish", SpanKind.PRODUCER, attributes=attributes, links=map(_link, messages)):
            outcomes = self._publisher.publish(messages)
            fault_point("relay_confirm")
            tracing.event("confirmed")
            for outcome in outcomes:
                metrics.PUBLISHED.labels(outcome=outcome.value).inc()
            self._mark_published([r for r, o in zip(window, outcomes, strict=True) if o is Outcome.CONFIRMED])
        fault_point("relay_mark")
        self._try_again_soon([r for r, o in zip(window, outcomes, strict=True) if o is Outcome.UNKNOWN])
        for row, outcome in zip(window, outcomes, strict=True):
            if outcome not in (Outcome.CONFIRMED, Outcome.UNKNOWN):
                self._postpone(row, outcome)
        return outcomes.count(Outcome.CONFIRMED)

    def sweep(self) -> int:
        """Publish the rows that are due, if the lease can be had; how many there were, or 0 when none was taken."""
        due = {"pending": True, "next_attempt_at": {"$lte": self._now()}}
        if self._outbox.find_one(due, {"_id": 1}) is None or not self._lease.take():
            return 0
        rows = list(self._outbox.find(due, sort=[("next_attempt_at", 1)], limit=WINDOW_MAX))
        if rows and not self.publish(rows):
            self._lease.give_back()  # perhaps another replica reaches the broker
            return 0
        return len(rows)

    def pending(self) -> tuple[int, float]:
        """How many rows wait (counted to COUNTED_MAX), and the age of the oldest in seconds.

        Not of the one that is due first: what was refused is due later with every try.
        """
        waits_since = {"$ifNull": ["$waits_since", "$recorded_at"]}  # it may be an old one that goes out again
        found = self._outbox.aggregate(
            [
                {"$match": {"pending": True}},
                {"$sort": {"next_attempt_at": 1}},
                {"$limit": COUNTED_MAX},
                {"$group": {"_id": None, "count": {"$sum": 1}, "oldest": {"$min": waits_since}}},
            ]
        )
        waiting = next(iter(found), None)
        if waiting is None:
            return 0, 0.0
        return waiting["count"], max(0.0, (self._now() - waiting["oldest"]).total_seconds())

    def _outgoing(self, row: dict[str, Any]) -> Outgoing:
        properties = row.get("properties") or amqp_properties(
            id=row["_id"], type=row["type"], correlation_id=row["correlation_id"]
        )
        headers = row.get("headers", {})
        signature = row.get("signature")
        if not signature and row["exchange"]:
            (signature,) = self._sign([row["body"]])
        if signature:
            headers = headers | {SIGNATURE: signature}
        exchange = row["exchange"] or own_queues(row["routing_key"].partition(".")[0])
        return Outgoing(exchange, row["routing_key"], row["body"], row["_id"], properties, headers)

    def _mark_published(self, rows: Sequence[dict[str, Any]]) -> None:
        now = self._now()
        done = {"pending": False, "published_at": now, "expires_at": now + OUTBOX_KEPT}
        # A copy, or what is no event of ours, is kept elsewhere.
        leaving = [r["_id"] for r in rows if "properties" in r]
        personal = [r for r in rows if r["personal"] and "properties" not in r]
        others = [r["_id"] for r in rows if not (r["personal"] or "properties" in r)]
        if leaving:
            self._marks.delete_many({"_id": {"$in": leaving}})
        if personal:  # contact addresses leave with the confirm; that there was an event stays
            self._marks.bulk_write([_without_body(row, done) for row in personal], ordered=False)
        if others:
            self._marks.update_many({"_id": {"$in": others}}, {"$set": done})

    def _try_again_soon(self, rows: Sequence[dict[str, Any]]) -> None:
        """An absent broker is no fault of the rows: one line and one write for all, and another try at each sweep."""
        if rows:
            log.warning("events_not_published", rows=len(rows), outcome=Outcome.UNKNOWN.value)
            again = self._later(1) | {"last_outcome": Outcome.UNKNOWN.value}
            self._marks.update_many(
                {"_id": {"$in": [r["_id"] for r in rows]}, "pending": True}, {"$set": again, "$inc": {"attempts": 1}}
            )

    def _later(self, delay_s: int) -> dict[str, Any]:
        return {"next_attempt_at": self._now() + datetime.timedelta(seconds=delay_s)}

    def _postpone(self, row: dict[str, Any], outcome: Outcome) -> None:
        """A mistake in routing, or a full queue, lasts longer."""
        log.warning("event_not_published", event_type=row["type"], event_id=row["_id"], outcome=outcome.value)
        again = self._later(min(BACKOFF_S_MAX, 2 ** min(row["attempts"], 6))) | {"last_outcome": outcome.value}
        self._marks.update_one({"_id": row["_id"]}, {"$set": again, "$inc": {"attempts": 1}})


def _without_body(row: dict[str, Any], done: dict[str, Any]) -> UpdateOne:
    happened_at = {"time": orjson.loads(row["body"])["time"]}
    return UpdateOne({"_id": row["_id"]}, {"$set": done | happened_at, "$unset": {"body": "", "signature": ""}})


def _link(message: Outgoing) -> Link:
    """To the span that a message follows from, as its envelope says; what is no event need not even be JSON."""
    stated = None
    with contextlib.suppress(ValueError, AttributeError):
        stated = orjson.loads(message.body).get("traceparent")
    return tracing.link(stated, message.properties.get("message_id", ""))
