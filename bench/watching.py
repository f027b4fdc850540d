"""Tells when audits are done, in the same way for every subject: an audit ends when its last notice can be seen."""

import collections
import time
from collections.abc import Callable, Mapping
from typing import Any

from pymongo import MongoClient

POLL_S = 0.01
STALL_S = 90.0
"""Nothing new for so long: what is missing will not come."""


class Stalled(RuntimeError):
    """Notices are missing and no more of them come."""


def notices_of(mongo: "MongoClient[dict[str, Any]]", prefix: str) -> Any:
    return mongo[f"{prefix}_notification"]["notices"]


def wait_for_count(
    notices: Any, wanted: int, *, poll_s: float = POLL_S, each_time: Callable[[int], None] = lambda _count: None
) -> float:
    """Unix time at which so many notices were there; `each_time` sees every count. Raises Stalled."""
    best, since = -1, time.monotonic()
    while True:
        count = notices.estimated_document_count()
        if count >= wanted:  # the quick count has also what a transaction wrote and has not committed yet
            count = notices.count_documents({})
        seen_at = time.time()
        each_time(count)
        if count >= wanted:
            return seen_at
        if count > best:
            best, since = count, time.monotonic()
        elif time.monotonic() - since > STALL_S:
            raise Stalled(f"{count} of {wanted} notices after {STALL_S:g} s without a new one")
        time.sleep(poll_s)


class Arrivals:
    """Follows the notices by a change stream, from now on: when the last notice of each audit arrived here."""

    def __init__(self, notices: Any, contacts: int) -> None:
        steps = [
            {"$match": {"operationType": "insert"}},
            {"$project": {"audit_id": "$fullDocument.audit_id", "wallTime": 1}},
        ]
        self._stream = notices.watch(steps, max_await_time_ms=1000)
        self._stream.try_next()  # it is open, and sees all that comes, once it has answered
        self._contacts = contacts
        self._seen: collections.Counter[str] = collections.Counter()
        self.ended: dict[str, float] = {}
        self.written: dict[str, float] = {}
        """When the server wrote it, in whole milliseconds."""

    def wait_for(self, audits: int) -> None:
        """Until so many audits have all their notices. Raises Stalled."""
        since = time.monotonic()
        while len(self.ended) < audits:
            change = self._stream.try_next()
            if change is not None:
                since = time.monotonic()
                self._take(change)
            elif time.monotonic() - since > STALL_S:
                raise Stalled(f"{len(self.ended)} of {audits} audits after {STALL_S:g} s without a notice")

    def close(self) -> None:
        self._stream.close()

    def _take(self, change: Mapping[str, Any]) -> None:
        audit_id, now = change["audit_id"], time.time()
        self._seen[audit_id] += 1
        if self._seen[audit_id] == self._contacts:
            self.ended[audit_id] = now
            self.written[audit_id] = change["wallTime"].timestamp()
