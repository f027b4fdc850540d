"""Writes what several units of work changed, in one transaction, with one round trip for all writes of a kind."""

import dataclasses
import datetime
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from eventlet.event import Event
from pymongo import DeleteOne, ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError

from touchstone_chassis.observability import tracing
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.unit import Changes, Origin

DUPLICATE_KEY = 11000
INBOX_KEPT = datetime.timedelta(days=60)
SURE_FOR = INBOX_KEPT - datetime.timedelta(days=5)
"""For how long after its commit an inbox surely knows what was handled."""
"""Longer than a message can wait in any queue or dead-letter queue before it is replayed."""
ANSWERS_KEPT = datetime.timedelta(days=30)


class AlreadyProcessed(Exception):
    """The inbox holds this message for this handler."""


class AnswerStored(Exception):
    """The answer to this idempotency key was stored by somebody else in the meantime."""


class Clash(Exception):
    """An aggregate changed since it was read: read it and decide again."""


class IndexViolated(Exception):
    """A unique index that guards a rule of the domain was violated; the message names collection and fields."""


class ClaimLost(Exception):
    """Another replica holds the job now."""


@dataclasses.dataclass(frozen=True)
class CompletionRecord:
    """What marks the cause of a unit of work as done, in the same transaction.

    `inbox`: key of a processed message, `retries`: how often it had failed before, `about`: what else is noted of it.
    `answer`: a document for the idempotency store. `claim`: (id, claim) of a job that ran. `former_id`: under which the
    release before looks for the inbox's document or the answer; it is written there, too.
    """

    inbox: str | None = None
    retries: int = 0
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    answer: dict[str, Any] | None = None
    claim: tuple[str, str] | None = None
    former_id: str | None = None


@dataclasses.dataclass(eq=False)
class BatchItem:
    """One unit of work that is to be written; `settled` gets what became of it."""

    changes: Changes
    rows: list[dict]
    completion: CompletionRecord
    origin: Origin
    settled: Event = dataclasses.field(default_factory=Event)
    alone: bool = False
    """In a transaction of its own: it may have been at fault when a group failed."""

    writes: frozenset[tuple[str, str]] = dataclasses.field(init=False)
    """The documents that it writes: two items with one in common would disturb each other in one transaction."""

    def __post_init__(self) -> None:
        changes, completion = self.changes, self.completion
        written = [(collection, str(d["_id"])) for collection, d in (*changes.saved, *changes.read_models)]
        written += [(collection, str(id)) for collection, id in changes.deleted]
        written += [("deadlines", d["_id"]) for d in changes.scheduled]
        written += [("deadlines", id) for id in changes.unscheduled]
        written += [("outbox", row["_id"]) for row in changes.messages]
        if completion.inbox:
            written += [("inbox", id) for id in (completion.inbox, completion.former_id) if id]
        if completion.answer:
            written += [("idempotency", id) for id in (completion.answer["_id"], completion.former_id) if id]
        if completion.claim:
            written.append(("deadlines", completion.claim[0]))
        self.writes = frozenset(written)


class ItemFailed(Exception):
    """One item of the group cannot be written as things stand; `error` says why."""

    def __init__(self, item: BatchItem, error: Exception):
        super().__init__(str(error))
        self.item, self.error = item, error


class Outdated(Exception):
    """Some of these documents were not as they had been read.

    Inside the transaction nobody can tell which: those of the others have the next version by now, and it may be the
    next version that was in the way.
    """

    def __init__(self, collection: str, owned: Sequence[tuple[BatchItem, dict]]):
        super().__init__(collection)
        self.collection, self.owned = collection, owned

    def failure_of(self, versions: Mapping[Any, int]) -> Exception:
        """Of the first whose document has another version than it was read with; else this itself."""
        items = {id(item) for item, _document in self.owned}
        for item, document in self.owned:
            if len(items) == 1 or versions.get(document["_id"]) != document["version"]:
                return ItemFailed(item, Clash(f"{self.collection}/{document['_id']}"))
        return self


class TransactionWriter:
    """The writes of one transaction. Raises ItemFailed when the database says which item is at fault, and Outdated."""

    def __init__(self, database: Database, session: ClientSession, now: datetime.datetime):
        self._database, self._session, self._now = database, session, now

    def write(self, items: Sequence[BatchItem]) -> None:
        self._complete(items)
        self._save(items)
        if len(items) > 1:
            fault_point("group")
        for collection, found in _by_collection((c, (e, d)) for e in items for c, d in e.changes.read_models):
            self._project(self._database[collection], [document for _item, document in found])
        for collection, ids in _by_collection((c, id) for e in items for c, id in e.changes.deleted):
            self._database[collection].delete_many({"_id": {"$in": ids}}, session=self._session)
        self._schedule(items)
        fault_point("domain")
        rows = [row for item in items for row in item.rows]
        if rows:
            self._insert_many(self._database["outbox"], rows)
            fault_point("outbox")
        fault_point("before_commit")
        tracing.event("written")

    def _complete(self, items: Sequence[BatchItem]) -> None:
        noted = [
            (e, document)
            for e in items
            if e.completion.inbox
            for document in _also_formerly(_inbox_document(e.completion, self._now), e.completion)
        ]
        if noted:
            self._insert("inbox", noted, lambda _violation, document: AlreadyProcessed(document["_id"]))
            fault_point("inbox")
        kept = {"at": self._now, "expires_at": self._now + ANSWERS_KEPT}
        answers = [
            (e, document)
            for e in items
            if e.completion.answer
            for document in _also_formerly(e.completion.answer | kept, e.completion)
        ]
        if answers:
            self._insert("idempotency", answers, lambda _violation, document: AnswerStored(document["_id"]))
        for item in items:
            if item.completion.claim:
                self._end_deadline(item, *item.completion.claim)

    def _end_deadline(self, item: BatchItem, id: str, claim: str) -> None:
        deleted = self._database["deadlines"].delete_one({"_id": id, "claim": claim}, session=self._session)
        if not deleted.deleted_count:
            raise ItemFailed(item, ClaimLost(id))

    def _save(self, items: Sequence[BatchItem]) -> None:
        """New documents of a collection go in one round trip, changed ones, if they are as they were read, in one."""
        saved = [(collection, (item, d)) for item in items for collection, d in item.changes.saved]
        for collection, changed in _by_collection((c, s) for c, s in saved if s[1]["version"] > 0):
            self._replace(self._database[collection], changed)
        for collection, new in _by_collection((c, s) for c, s in saved if s[1]["version"] == 0):
            first = [(item, document | {"version": 1}) for item, document in new]
            self._insert(collection, first, functools.partial(_meaning, collection))

    def _insert(
        self,
        collection: str,
        owned: Sequence[tuple[BatchItem, dict]],
        meaning: Callable[[Mapping[str, Any], dict], Exception],
    ) -> None:
        try:
            self._insert_many(self._database[collection], [document for _item, document in owned])
        except DuplicateKeyError as error:
            (item, document), *_others = owned
            raise ItemFailed(item, meaning(error.details or {}, document)) from None
        except BulkWriteError as error:
            violation = error.details["writeErrors"][0]
            if violation["code"] != DUPLICATE_KEY:
                raise
            item, document = owned[violation["index"]]
            raise ItemFailed(item, meaning(violation, document)) from None

    def _insert_many(self, collection: Collection, documents: list[dict]) -> None:
        if len(documents) == 1:  # the driver takes a little less for it
            collection.insert_one(documents[0], session=self._session)
        else:
            collection.insert_many(documents, session=self._session)

    def _replace(self, collection: Collection, owned: Sequence[tuple[BatchItem, dict]]) -> None:
        operations = [
            ReplaceOne({"_id": d["_id"], "version": d["version"]}, d | {"version": d["version"] + 1})
            for _item, d in owned
        ]
        try:
            matched = collection.bulk_write(operations, session=self._session).matched_count
        except BulkWriteError as error:
            violation = error.details["writeErrors"][0]
            if violation["code"] != DUPLICATE_KEY:
                raise
            item, document = owned[violation["index"]]
            raise ItemFailed(item, _meaning(collection.name, violation, document)) from None
        if matched < len(owned):
            raise Outdated(collection.name, owned)

    def _project(self, collection: Collection, documents: Sequence[dict]) -> None:
        ids = [document["_id"] for document in documents]
        kept = {
            document["_id"]: document["sequence"]
            for document in collection.find({"_id": {"$in": ids}}, {"sequence": 1}, session=self._session)
        }
        newer = [d for d in documents if d["_id"] not in kept or kept[d["_id"]] < d["sequence"]]
        if newer:
            operations = [ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in newer]
            collection.bulk_write(operations, session=self._session)

    def _schedule(self, items: Sequence[BatchItem]) -> None:
        operations: list[DeleteOne | ReplaceOne] = []
        for item in items:
            operations += [DeleteOne({"_id": id}) for id in item.changes.unscheduled]
            operations += [ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in item.changes.scheduled]
        if operations:
            self._database["deadlines"].bulk_write(operations, session=self._session)


def _inbox_document(completion: CompletionRecord, now: datetime.datetime) -> dict[str, Any]:
    document: dict[str, Any] = {"_id": completion.inbox, "at": now, "expires_at": now + INBOX_KEPT}
    return document | dict(completion.about) | ({"retries": completion.retries} if completion.retries else {})


def _also_formerly(document: dict[str, Any], completion: CompletionRecord) -> list[dict[str, Any]]:
    return [document, *([document | {"_id": completion.former_id}] if completion.former_id else [])]


def _by_collection(found: Iterable[tuple[str, Any]]) -> list[tuple[str, list[Any]]]:
    collected: dict[str, list[Any]] = {}
    for collection, what in found:
        collected.setdefault(collection, []).append(what)
    return list(collected.items())


def _meaning(collection: str, violation: Mapping[str, Any], document: dict) -> Exception:
    """A second insert of the same aggregate is a clash; any other unique index guards a rule of the domain."""
    pattern = violation.get("keyPattern", {})
    if "_id" in pattern:
        return Clash(f"{collection}/{document['_id']}")
    return IndexViolated(f"There is one already in {collection} with the same {', '.join(pattern)}.")
