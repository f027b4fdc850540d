"""Tells a message that ends its process from its neighbours: the broker counts against all that were prefetched.

A message that comes again is counted in the database when a handler starts on it. The broker's own limit says nothing
of that, so that what it gives up without so many starts goes back to its queue (see `dead_letters`).
"""

import contextlib
import datetime
from collections.abc import Callable
from typing import Any

import pymongo
import structlog
from eventlet.semaphore import Semaphore
from pymongo.database import Database
from pymongo.errors import PyMongoError

from touchstone_chassis.consuming.consumer import Delivery
from touchstone_chassis.consuming.fingerprint import fingerprint
from touchstone_chassis.consuming.retry import RetryPolicy
from touchstone_chassis.mongo.circuit_breaker import CircuitBreaker
from touchstone_chassis.mongo.client import RELAXED

log = structlog.get_logger(__name__)

STARTS_MAX = 20
"""A message whose handler was started so often without an end is given up; its first start is not counted."""
ALONE_FROM = 3
"""From so many starts on it runs only when no other such message does: one of them ends the process, but which?"""
KEPT = datetime.timedelta(days=7)
COUNTED_WITHIN_S = 5.0


class PoisonDetector:
    """How often each message that came again was started on, and what follows from it."""

    def __init__(
        self,
        database: Database,
        retry_policy: RetryPolicy,
        circuit_breaker: CircuitBreaker,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ):
        self._counts = database["starts"].with_options(write_concern=RELAXED)
        self._parking, self._availability, self._now = retry_policy, circuit_breaker, now
        self._alone = Semaphore(1)

    def of(self, delivery: Delivery, queue: str) -> int:
        """How often a handler was started on it, first deliveries aside. Raises PyMongoError."""
        with pymongo.timeout(COUNTED_WITHIN_S):
            document = self._counts.find_one({"_id": fingerprint(delivery, queue)})
        return document["count"] if document else 0

    def blames(self, delivery: Delivery, queue: str) -> bool:
        """Whether the message itself is why it was handed out so often. Raises PyMongoError."""
        return self.of(delivery, queue) >= STARTS_MAX

    def run(self, delivery: Delivery, start: Callable[[], Any]) -> Any:
        """`start` on a message, unless it ended the process too often: then it is parked."""
        if not delivery.redelivered:
            return start()
        try:
            count = self._before(delivery)
        except PyMongoError as error:
            return self._uncounted(delivery, start, error)
        if count >= STARTS_MAX:
            self._parking.dead_letter(delivery, "process_died", f"the process died {count} times while it was handled")
            return None
        with self._alone if count >= ALONE_FROM else contextlib.nullcontext():
            if delivery.pointless:
                delivery.abandon()
                return None
            try:
                self._note(delivery, count)
            except PyMongoError as error:
                return self._uncounted(delivery, start, error)
            return start()

    def _before(self, delivery: Delivery) -> int:
        return self.of(delivery, delivery.queue) if delivery.starts_before is None else delivery.starts_before

    def _note(self, delivery: Delivery, count: int) -> None:
        """Once for each delivery, however often it is put off and started again: those starts had an end."""
        if delivery.starts_before is not None:
            return
        delivery.starts_before = count  # said first: where only the answer is lost, it must not be counted again
        started = {"$inc": {"count": 1}, "$set": {"queue": delivery.queue, "expires_at": self._now() + KEPT}}
        with pymongo.timeout(COUNTED_WITHIN_S):
            self._counts.update_one({"_id": fingerprint(delivery, delivery.queue)}, started, upsert=True)

    def _uncounted(self, delivery: Delivery, start: Callable[[], Any], error: PyMongoError) -> Any:
        log.info("start_not_counted", queue=delivery.queue, error=type(error).__name__)
        self._availability.trip()
        if delivery.is_call:
            return start()  # its caller is told that the database is away
        delivery.defer()
        return None
