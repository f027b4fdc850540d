"""Tells a message that ends its process from its neighbours: the broker counts against all that were prefetched.

A message that comes again is counted in the database when a handler starts on it. The broker's own limit says nothing
of that, so that what it gives up without so many starts goes back to its queue (see `deadletters`).
"""

import contextlib
import datetime
from collections.abc import Callable, Iterator
from weakref import WeakKeyDictionary

import pymongo
import structlog
from eventlet.semaphore import Semaphore
from pymongo.database import Database
from pymongo.errors import PyMongoError

from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.fingerprint import fingerprint
from touchstone_chassis.consuming.retry import RetryPolicy
from touchstone_chassis.mongo.circuit_breaker import CircuitBreaker
from touchstone_chassis.mongo.client import RELAXED

log = structlog.get_logger(__name__)

STARTS_MAX = 20
"""A message whose handler was started so often without an end is dead-lettered; its first start is not counted."""
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
        self._retry_policy, self._circuit_breaker, self._now = retry_policy, circuit_breaker, now
        self._alone = Semaphore(1)
        self._counted_before: WeakKeyDictionary[Delivery, int] = WeakKeyDictionary()

    def of(self, delivery: Delivery, queue: str) -> int:
        """How often a handler was started on it, first deliveries aside. Raises PyMongoError."""
        with pymongo.timeout(COUNTED_WITHIN_S):
            document = self._counts.find_one({"_id": fingerprint(delivery, queue)})
        return document["count"] if document else 0

    def blames(self, delivery: Delivery, queue: str) -> bool:
        """Whether the message itself is why it was handed out so often. Raises PyMongoError."""
        return self.of(delivery, queue) >= STARTS_MAX

    @contextlib.contextmanager
    def watched(self, delivery: Delivery) -> Iterator[bool]:
        """Whether to start on a message; if not, it is settled or deferred, dead-lettered where it killed too often.

        What runs inside counts against the message when the process dies of it.
        """
        if not delivery.redelivered:
            yield True
            return
        try:
            count = self._count_before(delivery)
        except PyMongoError as error:
            yield self._uncounted(delivery, error)
            return
        if count >= STARTS_MAX:
            reason = f"the process died {count} times while it was handled"
            self._retry_policy.dead_letter(delivery, "process_died", reason)
            yield False
            return
        with self._alone if count >= ALONE_FROM else contextlib.nullcontext():
            yield self._counted(delivery, count)

    def _count_before(self, delivery: Delivery) -> int:
        known = self._counted_before.get(delivery)
        return self.of(delivery, delivery.queue) if known is None else known

    def _counted(self, delivery: Delivery, count: int) -> bool:
        """Whether to start, now that the start is counted: once for each delivery, however often it is deferred and
        started again, since those starts had an end."""
        if delivery.pointless:
            delivery.abandon()
            return False
        if delivery in self._counted_before:
            return True
        self._counted_before[delivery] = (
            count  # said first: where only the answer is lost, it must not be counted again
        )
        started = {"$inc": {"count": 1}, "$set": {"queue": delivery.queue, "expires_at": self._now() + KEPT}}
        try:
            with pymongo.timeout(COUNTED_WITHIN_S):
                self._counts.update_one({"_id": fingerprint(delivery, delivery.queue)}, started, upsert=True)
        except PyMongoError as error:
            return self._uncounted(delivery, error)
        return True

    def _uncounted(self, delivery: Delivery, error: PyMongoError) -> bool:
        log.info("start_not_counted", queue=delivery.queue, error=type(error).__name__)
        self._circuit_breaker.trip()
        if not delivery.is_call:  # a caller is told that the database is away
            self._retry_policy.consumer.defer(delivery)
        return delivery.is_call
