"""Moves rows of the outbox to the broker: what was just committed, and by a sweep what a crash or outage left."""

import contextlib
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import structlog
from opentelemetry.trace import Link, SpanKind
from pymongo.database import Database

from touchstone_chassis.amqp.publisher import ConfirmingPublisher, Outcome, Outgoing
from touchstone_chassis.mongo.client import RELAXED
from touchstone_chassis.mongo.server_time import machine_time
from touchstone_chassis.observability import metrics, tracing
from touchstone_chassis.outbox.lease import Lease
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.outbox_rows import RELAY_GRACE
from touchstone_contracts.envelope import SIGNATURE, amqp_properties
from touchstone_contracts.topology import own_queues

log = structlog.get_logger(__name__)

WINDOW_MAX = 200
BACKOFF_S_MAX = 60
COUNTED_MAX = 1_000


class Relay:
    """Publishes outbox rows. Knows no framework: whoever runs it calls `publish` and `sweep`."""

    def __init__(
        self,
        database: Database,
        publisher: ConfirmingPublisher,
        sign: Callable[[Sequence[bytes]], Iterable[str]],
        confirmed: Callable[[Sequence[dict[str, Any]]], object],
        now: Callable[[], datetime.datetime] = machine_time,
    ):
        """`sign` is for what the release before wrote; `confirmed` gets what may leave the outbox; `now` must be the
        same for all replicas."""
        self._sign, self._confirmed, self._now = sign, confirmed, now
        self._outbox = database["outbox"]
        self._marks = self._outbox.with_options(write_concern=RELAXED)
        self._publisher = publisher
        self._lease = Lease(database, "outbox-sweep", now)

    def publish(self, rows: Sequence[dict[str, Any]]) -> int:
        """Publish `rows` in windows and hand on what the broker confirmed. What it did not take stays for the sweep.

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
            self._confirmed([r for r, o in zip(window, outcomes, strict=True) if o is Outcome.CONFIRMED])
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
        if rows:  # not at the next sweep again, while they are on their way into the log
            taken = {"_id": {"$in": [row["_id"] for row in rows]}}
            self._marks.update_many(taken, {"$set": {"next_attempt_at": self._now() + RELAY_GRACE}})
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


def _link(message: Outgoing) -> Link:
    """To the span that a message follows from, as its envelope says; what is no event need not even be JSON."""
    stated = None
    with contextlib.suppress(ValueError, AttributeError):
        stated = orjson.loads(message.body).get("traceparent")
    return tracing.link(stated, message.properties.get("message_id", ""))
