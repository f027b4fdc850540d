"""Commits units of work: whatever waits when a commit is done goes into the next transaction together."""

import collections
import dataclasses
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import eventlet
import pymongo
import structlog
from pymongo.database import Database
from pymongo.errors import PyMongoError

from touchstone_chassis.mongo.client import LATEST, is_transient, transact
from touchstone_chassis.mongo.server_time import machine_time
from touchstone_chassis.observability import metrics, tracing
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.outbox_rows import RELAY_GRACE, event_rows
from touchstone_chassis.unit_of_work.transaction import (
    BatchItem,
    CompletionRecord,
    IndexViolated,
    ItemFailed,
    Outdated,
    TransactionWriter,
)
from touchstone_chassis.unit_of_work.unit import Changes, Origin, UnitOfWork

log = structlog.get_logger(__name__)

GROUP_MAX = 64
LINGER_S = 0.003
"""How long a group waits for more units, when the one before it held more than one: alone, nobody waits."""
COMMIT_S_MAX = 8.0
"""For one transaction: the driver by itself would try for two minutes, longer than a drain may last."""


class NotCommittedInTime(PyMongoError):
    """The time that a commit was given has passed; what was begun by then may still be committed."""

    @property
    def timeout(self) -> bool:
        return True


class Committer:
    """Commits each unit of work whole or not at all, many of them in one transaction.

    The group is a matter of speed alone. No two units in it write the same document; a unit that the database objects
    to is taken out and tried again by itself, so that it learns what it would have learnt alone, and costs the others
    one more try.
    """

    def __init__(
        self,
        database: Database,
        *,
        event_time: Callable[[], datetime.datetime],
        sign: Callable[[Sequence[bytes]], Iterable[str]],
        committed: Callable[[Sequence[dict], Changes], None],
        now: Callable[[], datetime.datetime] = machine_time,
    ):
        """`event_time` is the domain's clock; `committed` gets the outbox rows and the changes after each commit.

        `sign` gives the signature of each body. `now` is the time by which replicas agree on what is due and what may
        go.
        """
        self._database, self._event_time, self._committed, self._now = database, event_time, committed, now
        self._sign = sign
        self._waiting: collections.deque[BatchItem] = collections.deque()
        self._at_work = False
        self._last_group = 1

    def commit(
        self, unit: UnitOfWork, origin: Origin, completion: CompletionRecord, *, within_s: float = COMMIT_S_MAX
    ) -> None:
        """All or nothing. Raises AlreadyProcessed, AnswerStored, Clash, ClaimLost, IndexViolated or a PyMongoError.

        NotCommittedInTime is among the latter: after `within_s` nobody waits any more, and what has not been begun is
        not begun.
        """
        changes = unit.changes
        # A message that had nothing to change is noted too: else it counts as lost, and is sent again for ever.
        if not changes and completion == CompletionRecord():
            return
        if here := tracing.traceparent():
            origin = dataclasses.replace(origin, traceparent=here)
        for job in changes.scheduled:  # what a job leads to names the message that set it as its cause
            job |= {"correlation_id": origin.correlation_id, "causation_id": origin.causation_id}
        time, now = self._event_time, self._now
        rows = [
            row for e in changes.emitted for row in event_rows(e, origin, time=time(), now=now())
        ] + changes.messages
        item = BatchItem(changes, rows, completion, origin, alone=unit.suspect)
        self._waiting.append(item)
        if not self._at_work:
            self._at_work = True
            eventlet.spawn(self._commit_all)  # a greenlet of its own: no caller's time limit is the others'
        outcome: BaseException | bool | None = None
        try:
            outcome = item.settled.wait(timeout=within_s)
            if outcome is None:
                raise NotCommittedInTime(f"not committed within {within_s:g} s")
            if isinstance(outcome, BaseException):
                raise outcome
        except PyMongoError:
            unit.suspect = True
            raise
        finally:
            if item in self._waiting:
                self._waiting.remove(item)
            del item, outcome  # the error holds this frame: what has both is freed by a collection of garbage alone

    def was_processed(self, inbox_key: str) -> bool:
        return self._database["inbox"].find_one({"_id": inbox_key}, {"_id": 1}) is not None

    def _commit_all(self) -> None:
        """Until nothing waits. Whoever hands something in while this runs need not start another."""
        try:
            while self._waiting:
                # Alone, it starts at once; else the others that were just woken get the chance to come along.
                eventlet.sleep(LINGER_S if self._last_group > 1 else 0)
                group = self._next_group()
                if group:
                    self._last_group = len(group)
                    self._commit_group(group)
        finally:
            self._at_work = False

    def _next_group(self) -> list[BatchItem]:
        """Those that wait longest; one that would write what another of the group writes waits for the next."""
        group: list[BatchItem] = []
        written: set[tuple[str, str]] = set()
        for item in list(self._waiting):
            if (item.alone and group) or not written.isdisjoint(item.writes):
                continue
            group.append(item)
            written |= item.writes
            self._waiting.remove(item)
            if item.alone or len(group) == GROUP_MAX:
                break
        return group

    def _commit_group(self, group: list[BatchItem]) -> None:
        """Settle each item, whatever happens; nothing is raised but by the end of the greenlet."""
        to_try = [group]
        while to_try:
            items = to_try.pop(0)
            try:
                self._write(items)
            except ItemFailed as failed:
                others = [item for item in items if item is not failed.item]
                to_try += [others] if others else []
                if others and isinstance(failed.error, IndexViolated):
                    to_try += [[failed.item]]  # it may have been one of the others that was in its way
                else:
                    _fail([failed.item], failed.error)
            except Exception as error:
                if len(items) == 1 or is_transient(error):
                    _fail(items, error)
                else:  # nothing says whose fault it is
                    log.info("group_not_committed", size=len(items), error=type(error).__name__)
                    to_try += [[item] for item in items]
            except BaseException as error:  # the process is being ended, or a timer went off
                _fail([*items, *(item for others in to_try for item in others)], error)
                if isinstance(error, eventlet.greenlet.GreenletExit):
                    raise
                return

    def _write(self, items: list[BatchItem]) -> None:
        unsigned = [row for item in items for row in item.rows if row.get("signature", "") is None]
        for row, signature in zip(unsigned, self._sign([row["body"] for row in unsigned]), strict=True):
            row["signature"] = signature
        links = (tracing.link(item.origin.traceparent) for item in items)
        with tracing.database_span("commit", "", len(items), links):
            self._transact(items)
        fault_point("after_commit")
        metrics.COMMIT_GROUP.observe(len(items))
        soon = self._now() + RELAY_GRACE
        for item in items:
            self._hand_over(item, soon)
            item.settled.send(True)

    def _transact(self, items: list[BatchItem]) -> None:
        # A duplicate key must leave the callback as an exception: the server has aborted the transaction by then, and
        # committing it would be retried for two minutes.
        with pymongo.timeout(COMMIT_S_MAX):
            try:
                transact(self._database, lambda s: TransactionWriter(self._database, s, self._now()).write(items))
            except Outdated as outdated:
                raise outdated.failure_of(self._versions(outdated)) from None

    def _hand_over(self, item: BatchItem, soon: datetime.datetime) -> None:
        """What is to go later is left to the sweep, and so is all where this fails: it is committed."""
        try:
            self._committed([row for row in item.rows if row["next_attempt_at"] <= soon], item.changes)
        except (Exception, eventlet.Timeout) as error:
            log.warning("committed_not_handed_over", rows=len(item.rows), error=type(error).__name__)

    def _versions(self, outdated: Outdated) -> dict[Any, int]:
        """What the documents have now that the transaction is taken back; also what no majority has yet."""
        collection = self._database[outdated.collection].with_options(read_concern=LATEST)
        ids = [document["_id"] for _item, document in outdated.owned]
        return {found["_id"]: found["version"] for found in collection.find({"_id": {"$in": ids}}, {"version": 1})}


def _fail(items: Sequence[BatchItem], error: BaseException) -> None:
    for item in items:
        if not item.settled.ready():
            item.settled.send(error)  # an error that the event itself raised would hold the event that holds it
