"""Tells by the databases, alike for every subject, when audits are done and whether each is there exactly once."""

import collections
import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.subjects import Subject

POLL_S = 0.01
STALL_S = 90.0
"""Nothing new for so long: what is missing will not come."""


class Stalled(RuntimeError):
    """Notices are missing and no more of them come."""


def wait_for_count(
    notices: Any, wanted: int, *, poll_s: float = POLL_S, each_time: Callable[[int], Any] = lambda _count: None
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


def changes_of(notices: Any) -> Any:
    """The stream of all notices from now on: it is open, and sees all that comes, once it has answered."""
    added, audit = {"$match": {"operationType": "insert"}}, {"$project": {"audit_id": "$fullDocument.audit_id"}}
    stream = notices.watch([added, audit], max_await_time_ms=1000)
    stream.try_next()
    return stream


class Arrivals:
    """Follows the notices by a change stream: when the last notice of each audit arrived here."""

    def __init__(self, changes: Any, contacts: int) -> None:
        self._changes, self._contacts = changes, contacts
        self._seen: collections.Counter[str] = collections.Counter()
        self.ended: dict[str, float] = {}

    def wait_for(self, audits: int) -> float:
        """Unix time at which so many audits had all their notices. Raises Stalled."""
        since = time.monotonic()
        while len(self.ended) < audits:
            if (change := self._changes.try_next()) is not None:
                since = time.monotonic()
                self._seen[audit_id := change["audit_id"]] += 1
                if self._seen[audit_id] == self._contacts:
                    self.ended[audit_id] = time.time()
            elif time.monotonic() - since > STALL_S:
                raise Stalled(f"{len(self.ended)} of {audits} audits after {STALL_S:g} s without a notice")
        return max(self.ended.values())


def faults_of(subject: Subject) -> list[str]:
    """What is wrong, one sentence each; empty when everything that was submitted is there exactly once."""
    faults = subject.faults()
    for service, collection, audit, each in (
        ("assessment", "audits", "$_id", 1),
        ("certification", "certificates", "$audit_id", 1),
        ("notification", "notices", "$audit_id", subject.contacts),
    ):
        by_audit = {"$group": {"_id": audit, "each": {"$sum": 1}}}
        by_count = {"$group": {"_id": "$each", "audits": {"$sum": 1}}}
        rows = subject.collection(service, collection).aggregate([by_audit, by_count])
        faults += wrong_counts(collection, {row["_id"]: row["audits"] for row in rows}, {each: subject.submitted})
    return faults


def wrong_counts(collection: str, found: Mapping[int, int], wanted: Mapping[int, int]) -> list[str]:
    """`{3: 200}`: 200 audits have three each. Right totals could hide that one has too many and another too few."""
    told = [
        ", ".join(f"{audits} audits with {each} each" for each, audits in counts.items()) for counts in (found, wanted)
    ]
    return [] if found == wanted else [f"{collection}: {told[0] or 'none'} instead of {told[1]}"]
