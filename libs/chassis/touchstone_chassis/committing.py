"""Writes a unit of work in one transaction: aggregates, projections, deadlines, outbox, inbox and answer."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from pymongo import DeleteOne, ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError

from touchstone_chassis.crashpoints import reach
from touchstone_chassis.mongo import DURABLE, SNAPSHOT
from touchstone_chassis.server_time import machine_time
from touchstone_chassis.units import Changes, Emitted, Origin, UnitOfWork
from touchstone_contracts.envelope import amqp_properties, wrap
from touchstone_contracts.topology import events_exchange
from touchstone_contracts.versions import older_copies

DUPLICATE_KEY = 11000
INBOX_KEPT = datetime.timedelta(days=60)
"""Longer than a message can wait in any queue or dead-letter queue before it is replayed."""
OUTBOX_KEPT = datetime.timedelta(days=60)
ANSWERS_KEPT = datetime.timedelta(days=30)
RELAY_GRACE = datetime.timedelta(seconds=5)
"""How long the committing process has for publishing a row before a sweep takes it."""


class AlreadyProcessed(Exception):
    """The inbox holds this message for this handler."""


class AnswerStored(Exception):
    """The answer to this idempotency key was stored by somebody else in the meantime."""


class Clash(Exception):
    """An aggregate changed since it was read: read it and decide again."""


class IndexViolated(Exception):
    """A unique index that guards a rule of the domain was violated; the message names collection and fields."""


class ClaimLost(Exception):
    """Another replica holds the deadline now."""


@dataclasses.dataclass(frozen=True)
class Completion:
    """What marks the cause of a unit of work as done, in the same transaction.

    `inbox`: key of a processed message, `retries`: how often it had failed before. `answer`: a document for the
    idempotency store. `claim`: (id, claim) of a deadline that ran.
    """

    inbox: str | None = None
    retries: int = 0
    answer: dict[str, Any] | None = None
    claim: tuple[str, str] | None = None


class Committer:
    """Commits units of work one by one and then hands their events over."""

    def __init__(
        self,
        database: Database,
        *,
        event_time: Callable[[], datetime.datetime],
        committed: Callable[[Sequence[dict], Changes], None],
        now: Callable[[], datetime.datetime] = machine_time,
    ):
        """`event_time` is the domain's clock; `committed` gets the outbox rows and the changes after each commit.

        `now` is the time by which replicas agree on what is due and what may go.
        """
        self._database, self._event_time, self._committed, self._now = database, event_time, committed, now

    def commit(self, unit: UnitOfWork, origin: Origin, completion: Completion) -> None:
        """All or nothing. Raises AlreadyProcessed, AnswerStored, Clash, ClaimLost, IndexViolated or a PyMongoError."""
        changes = unit.changes
        # A message that had nothing to change is noted too: else it counts as lost, and is sent again for ever.
        if not changes and completion == Completion():
            return
        rows = [row for emitted in changes.emitted for row in self._rows(emitted, origin)] + changes.messages
        with self._database.client.start_session() as session:
            # A duplicate key must leave the callback as an exception: the server has aborted the transaction by then,
            # and committing it would be retried for two minutes.
            session.with_transaction(
                lambda s: _Writing(self._database, s, self._now()).write(changes, rows, completion, origin),
                read_concern=SNAPSHOT,
                write_concern=DURABLE,
            )
        reach("after_commit")
        now = self._now()
        # What is to go later is left to the sweep.
        self._committed([row for row in rows if row["next_attempt_at"] <= now + RELAY_GRACE], changes)

    def was_processed(self, inbox_key: str) -> bool:
        return self._database["inbox"].find_one({"_id": inbox_key}, {"_id": 1}) is not None

    def _rows(self, emitted: Emitted, origin: Origin) -> list[dict[str, Any]]:
        """The event's row, and one for each older version in which it is still published: one id, counted once."""
        row = self._row(emitted, emitted.event, origin)
        return [row, *(_copy(self._row(emitted, older, origin)) for older in older_copies(emitted.event))]

    def _row(self, emitted: Emitted, event: Any, origin: Origin) -> dict[str, Any]:
        now = self._now()
        message = wrap(
            event,
            id=emitted.id,
            time=self._event_time(),
            sequence=emitted.sequence,
            correlation_id=origin.correlation_id,
            causation_id=origin.causation_id,
            traceparent=origin.traceparent,
        )
        return {
            "_id": emitted.id,
            "exchange": events_exchange(event.producer),
            "routing_key": event.routing_key,
            "type": event.type_name,
            "subject": message["subject"],
            "sequence": emitted.sequence,
            "correlation_id": origin.correlation_id,
            "causation_id": origin.causation_id,
            "trigger": origin.trigger,
            "by": origin.by,
            "body": orjson.dumps(message),
            "personal": event.personal,
            "pending": True,
            "attempts": 0,
            "recorded_at": now,
            "next_attempt_at": now + RELAY_GRACE,
        }


def _copy(row: dict[str, Any]) -> dict[str, Any]:
    """The row of an event in an older version: with an id of its own, and the properties that name the event's id.

    It leaves the outbox once it is published; the row of the event itself stays as long as any other.
    """
    properties = amqp_properties(id=row["_id"], type=row["type"], correlation_id=row["correlation_id"])
    return row | {"_id": f"{row['_id']}/{row['type']}", "properties": properties, "headers": {}}


class _Writing:
    """The writes of one transaction."""

    def __init__(self, database: Database, session: ClientSession, now: datetime.datetime):
        self._database, self._session, self._now = database, session, now

    def write(self, changes: Changes, rows: Sequence[dict], completion: Completion, origin: Origin) -> None:
        self._complete(completion)
        self._save(changes.saved)
        for collection, document in changes.projected:
            self._project(self._database[collection], document)
        for collection, id in changes.deleted:
            self._database[collection].delete_one({"_id": id}, session=self._session)
        self._schedule(changes, origin)
        reach("domain")
        if rows:
            self._database["outbox"].insert_many(list(rows), session=self._session)
            reach("outbox")
        reach("before_commit")

    def _complete(self, completion: Completion) -> None:
        now = self._now
        if completion.inbox:
            document = {"_id": completion.inbox, "at": now, "expires_at": now + INBOX_KEPT}
            document |= {"retries": completion.retries} if completion.retries else {}
            self._insert("inbox", document, AlreadyProcessed(completion.inbox))
            reach("inbox")
        if completion.answer:
            document = completion.answer | {"at": now, "expires_at": now + ANSWERS_KEPT}
            self._insert("idempotency", document, AnswerStored(document["_id"]))
        if completion.claim:
            id, claim = completion.claim
            deleted = self._database["deadlines"].delete_one({"_id": id, "claim": claim}, session=self._session)
            if not deleted.deleted_count:
                raise ClaimLost(id)

    def _insert(self, collection: str, document: dict, otherwise: Exception) -> None:
        try:
            self._database[collection].insert_one(document, session=self._session)
        except DuplicateKeyError:
            raise otherwise from None

    def _save(self, saved: Sequence[tuple[str, dict]]) -> None:
        """New documents of a collection go in one round trip; a changed one is replaced if it is as it was read."""
        new: dict[str, list[dict]] = {}
        for collection, document in saved:
            if document["version"] == 0:
                new.setdefault(collection, []).append(document | {"version": 1})
            else:
                self._replace(self._database[collection], document)
        for collection, documents in new.items():
            self._insert_new(self._database[collection], documents)

    def _insert_new(self, collection: Collection, documents: list[dict]) -> None:
        try:
            collection.insert_many(documents, session=self._session)
        except BulkWriteError as error:
            violation = error.details["writeErrors"][0]
            if violation["code"] != DUPLICATE_KEY:
                raise
            raise _meaning(violation, collection.name, documents[violation["index"]]) from None

    def _replace(self, collection: Collection, document: dict) -> None:
        read = document["version"]
        written = document | {"version": read + 1}
        try:
            replaced = collection.replace_one({"_id": document["_id"], "version": read}, written, session=self._session)
        except DuplicateKeyError as error:
            raise _meaning(error.details or {}, collection.name, document) from None
        if not replaced.matched_count:
            raise Clash(f"{collection.name}/{document['_id']}")

    def _project(self, collection: Collection, document: dict) -> None:
        kept = collection.find_one({"_id": document["_id"]}, {"sequence": 1}, session=self._session)
        if kept is None or kept["sequence"] < document["sequence"]:
            collection.replace_one({"_id": document["_id"]}, document, upsert=True, session=self._session)

    def _schedule(self, changes: Changes, origin: Origin) -> None:
        # What a deadline leads to names the message that set it as its cause.
        cause = {"correlation_id": origin.correlation_id, "causation_id": origin.causation_id}
        operations: list[DeleteOne | ReplaceOne] = [DeleteOne({"_id": id}) for id in changes.unscheduled]
        operations += [ReplaceOne({"_id": d["_id"]}, d | cause, upsert=True) for d in changes.scheduled]
        if operations:
            self._database["deadlines"].bulk_write(operations, session=self._session)


def _meaning(violation: Mapping[str, Any], collection: str, document: dict) -> Exception:
    """A second insert of the same aggregate is a clash; any other unique index guards a rule of the domain."""
    pattern = violation.get("keyPattern", {})
    if "_id" in pattern:
        return Clash(f"{collection}/{document['_id']}")
    return IndexViolated(f"There is one already in {collection} with the same {', '.join(pattern)}.")
