"""The durable job queue: due documents in MongoDB that one replica claims and handles, however long they waited."""

import dataclasses
import datetime
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import bson
import eventlet
import structlog
from eventlet.event import Event
from eventlet.semaphore import Semaphore
from nameko import config
from nameko.extensions import SharedExtension
from pymongo import UpdateOne

from touchstone_chassis.config import JOBS_AT_ONCE
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.unit_of_work.unit import Origin

log = structlog.get_logger(__name__)

CLAIM = datetime.timedelta(seconds=6)
"""How long a process that died keeps the others from what it had begun. One that lives renews its claims."""
RENEW_EVERY_S = 2.0
POLL_S = 1.0
BACKOFF_S_MAX = 600
COMMITTED_MAX = 1_000
"""Jobs that were just committed and wait in memory to be claimed; what is beyond is found in the database."""
_AWARE: bson.CodecOptions = bson.CodecOptions(tz_aware=True)


@dataclasses.dataclass(frozen=True)
class Job:
    """A job that is due. `attempt` counts from 1; one whose handler fails or dies is tried again.

    `correlation_id` and `causation_id` are those of the handler that set it; a release before them set none.
    """

    kind: str
    key: str
    payload: dict[str, Any]
    due_at: datetime.datetime
    attempt: int
    claim: str
    id: str
    correlation_id: str | None = None
    causation_id: str | None = None

    @property
    def origin(self) -> Origin:
        """What it leads to was caused by the message that set it; where none did, by the job itself."""
        correlation_id = self.payload.get("correlation_id") or self.correlation_id or self.id
        return Origin(correlation_id, self.causation_id or self.id, trigger=self.id)


class JobQueue(SharedExtension):
    """Claims what is due for all handlers of a service: what was just committed at once, and what it finds each second.

    A replica whose configuration says `run_deadlines: false` claims none and leaves them to the others.
    """

    resources = Resources()

    def __init__(self) -> None:
        self._handlers: dict[str, Callable[[Job], None]] = {}
        self._running: dict[str, Job] = {}  # by claim: one that sets itself anew may be claimed again at once
        self._committed: dict[str, dict[str, Any]] = {}  # by id: set again, it is as it was set last
        self._look_at = 0.0
        self._slots = Semaphore(JOBS_AT_ONCE)
        self._wake, self._ended, self._stopped = Event(), Event(), Event()
        self._failing: str | None = None
        self._stopping = self._claims = False

    def add(self, kind: str, spawn: Callable[[Job], None]) -> None:
        self._handlers[kind] = spawn

    def setup(self) -> None:
        self.resources.job_listeners.append(self.take)
        self.resources.checks.add(
            "deadlines", lambda: (self._failing is None, self._failing or f"{len(self._handlers)} kinds")
        )

    def start(self) -> None:
        if self._handlers and config["run_deadlines"]:
            self._claims = True
            self.container.spawn_managed_thread(self._run, identifier="jobs")
            self.container.spawn_managed_thread(self._renew, identifier="job-claims")
        else:
            self._ended.send()

    def drain(self) -> None:
        """Return when nothing more will be claimed; what was claimed has a worker, which the container waits for."""
        self.wake()
        self._ended.wait()

    def stop(self) -> None:
        self._stopping = True
        if not self._stopped.ready():
            self._stopped.send()
        self.wake()

    def take(self, jobs: Sequence[Mapping[str, Any]]) -> None:
        """Claim jobs that are due, as they were just committed, without looking for them."""
        for job in jobs if self._claims else ():
            if job["kind"] in self._handlers and len(self._committed) < COMMITTED_MAX:
                self._committed[job["_id"]] = bson.decode(bson.encode(job), _AWARE)  # as they would be found
        self.wake()

    def wake(self) -> None:
        if not self._wake.ready():
            self._wake.send()

    def done(self, job: Job) -> None:
        self._running.pop(job.claim, None)
        self._slots.release()

    def _run(self) -> None:
        while not self._stopping and not self.resources.draining:
            try:
                self._claim_all_due()
                self._failing = None
            except (Exception, eventlet.Timeout) as error:  # database away: at the next turn
                self._look_at = time.monotonic() + POLL_S
                self._failing = f"cannot claim: {type(error).__name__}"
                log.warning("deadlines_not_claimed", error=type(error).__name__)
            self._rest()
        self._ended.send()

    def _rest(self) -> None:
        with eventlet.Timeout(max(0, self._look_at - time.monotonic()), False):
            self._wake.wait()
        self._wake = Event()

    def _claim_all_due(self) -> None:
        more = True
        while more and not self.resources.draining:
            free = self._take_slots()
            claimed: list[Job] = []
            try:
                if not self.resources.draining:
                    claimed, more = self._claim(free)
            finally:
                for _ in range(free - len(claimed)):
                    self._slots.release()
            for job in claimed:
                self._running[job.claim] = job
                self._handlers[job.kind](job)

    def _take_slots(self) -> int:
        """All that are free, once there is one."""
        self._slots.acquire()
        taken = 1
        while self._slots.acquire(blocking=False):
            taken += 1
        return taken

    def _renew(self) -> None:
        """Until the last handler has ended, also while the process drains."""
        while not self._stopping:
            with eventlet.Timeout(RENEW_EVERY_S, False):
                self._stopped.wait()
            try:
                self._renew_claims()
            except (Exception, eventlet.Timeout) as error:  # a claim that lapses is taken by another replica
                log.warning("claims_not_renewed", error=type(error).__name__)

    def _renew_claims(self) -> None:
        if not self._running:
            return
        ids = [job.id for job in self._running.values()]
        self.resources.mongo.database["deadlines"].update_many(
            {"_id": {"$in": ids}, "claim": {"$in": list(self._running)}},
            {"$set": {"claimed_until": self.resources.time.now() + CLAIM}},
        )

    def _claim(self, limit: int) -> tuple[list[Job], bool]:
        """Up to `limit` jobs that are due and now ours, and whether there may be more."""
        found, more = self._due(limit)
        if not found:
            return [], more
        deadlines, now = self.resources.mongo.database["deadlines"], self.resources.time.now()
        claims = {job["_id"]: uuid.uuid4().hex for job in found}
        claimed = deadlines.bulk_write(
            [  # by whoever comes first: what another replica claimed, or somebody set anew meanwhile, stays as it is
                UpdateOne(
                    {**self._claimable(now), **{name: job[name] for name in ("_id", "due_at", "payload")}},
                    {"$set": {"claim": claims[job["_id"]], "claimed_until": now + CLAIM}, "$inc": {"attempt": 1}},
                )
                for job in found
            ],
            ordered=False,
        )
        if claimed.matched_count < len(found):
            ours = list(deadlines.find({"_id": {"$in": list(claims)}, "claim": {"$in": list(claims.values())}}))
        else:
            ours = [job | {"claim": claims[job["_id"]], "attempt": job["attempt"] + 1} for job in found]
        return [_job(document) for document in ours], more

    def _due(self, limit: int) -> tuple[list[dict[str, Any]], bool]:
        """Jobs that seem to be due: those that were just committed, else, each second, those that are found."""
        if self._committed:
            found = [self._committed.pop(id) for id in list(self._committed)[:limit]]
            return found, True
        if time.monotonic() < self._look_at:
            return [], False
        self._look_at = time.monotonic() + POLL_S
        due = {"due_at": {"$lte": self.resources.clock.now()}, **self._claimable(self.resources.time.now())}
        deadlines = self.resources.mongo.database["deadlines"]
        found = list(deadlines.find(due, sort=[("due_at", 1)], limit=limit))
        if len(found) == limit:
            self._look_at = 0.0
        return found, len(found) == limit

    def _claimable(self, now: datetime.datetime) -> dict[str, Any]:
        return {
            "kind": {"$in": list(self._handlers)},
            "claim": {"$nin": list(self._running)},  # one may lapse while the database is away; its handler waits
            "$or": [{"claimed_until": None}, {"claimed_until": {"$lt": now}}],
        }

    def postpone(self, job: Job) -> None:
        """Give the claim back and try again later."""
        delay_s = min(BACKOFF_S_MAX, 2 ** min(job.attempt, 10))
        self.resources.mongo.database["deadlines"].update_one(
            {"_id": job.id, "claim": job.claim},
            {"$set": {"claimed_until": self.resources.time.now() + datetime.timedelta(seconds=delay_s)}},
        )


def _job(document: dict[str, Any]) -> Job:
    return Job(
        document["kind"],
        document["key"],
        document["payload"],
        document["due_at"],
        document["attempt"],
        document["claim"],
        document["_id"],
        document.get("correlation_id"),
        document.get("causation_id"),
    )
