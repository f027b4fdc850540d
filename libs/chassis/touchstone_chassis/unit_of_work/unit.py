"""Collects what one handler changes and announces, so that all of it is written in one transaction or not at all."""

import dataclasses
import datetime
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo.database import Database

from touchstone_chassis.unit_of_work.dataloader import READ_S_MAX, DataLoader, Query
from touchstone_chassis.unit_of_work.ids import new_id
from touchstone_chassis.unit_of_work.sequences import Sequences


@dataclasses.dataclass(frozen=True)
class Origin:
    """The message that made a handler run: events that it emits name it as their cause.

    `trigger` is what ran (a handler's durable name, a method that was called, or a job's id), `by` the caller, where
    there was one: for whoever follows a case later, and never sent.
    """

    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None
    trigger: str = ""
    by: str = ""


@dataclasses.dataclass(frozen=True)
class Emitted:
    """An event with the aggregate version that it belongs to."""

    event: Any
    sequence: int
    id: str


@dataclasses.dataclass
class Changes:
    """What is to be written together."""

    saved: list[tuple[str, dict]] = dataclasses.field(default_factory=list)
    read_models: list[tuple[str, dict]] = dataclasses.field(default_factory=list)
    deleted: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    scheduled: list[dict] = dataclasses.field(default_factory=list)
    unscheduled: list[str] = dataclasses.field(default_factory=list)
    emitted: list[Emitted] = dataclasses.field(default_factory=list)
    messages: list[dict] = dataclasses.field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in dataclasses.fields(self))


Question = tuple[str, Mapping[str, Any], Mapping[str, int] | None, int]
"""What is going to be asked of `find`: collection, filter, projection, limit; the limit of `find_one` is 1."""


def job_id(kind: str, key: str) -> str:
    return f"{kind}/{key}"


class UnitOfWork:
    """What a store reads from and writes to. Reads see what is committed; writes wait for the handler to return."""

    def __init__(self, database: Database, reader: DataLoader | None = None, sequences: Sequences | None = None):
        """`reader` and `sequences` are those that the units of a process share."""
        self._database = database
        self._reader, self._sequences = reader or DataLoader(database), sequences or Sequences(database)
        self.changes = Changes()
        self._ahead: dict[Query, list[dict]] = {}
        self._runs = 0
        self.suspect = False
        """Whether a commit of it failed by the database's fault, or perhaps its own."""
        self.until: float | None = None
        """Unix time, seconds, after which nobody waits for what is read."""

    def reset(self) -> None:
        """Forget everything: the handler runs, for the first time or again."""
        self._runs += 1
        self.changes = Changes()
        self._ahead.clear()

    def read_ahead(self, *questions: Question) -> None:
        """Read by one command what the handler is going to ask `find` and `find_one` for: each is answered from here
        once. Raises ValueError for a filter that asks for more than some texts in one field."""
        queries = [Query.of(collection, filter, shown, limit=limit) for collection, filter, shown, limit in questions]
        wanted = list(dict.fromkeys(query for query in queries if query is not None))
        if None in queries:
            raise ValueError("only documents that have one of some texts in a field can be read ahead")
        found = self._reader.find(*wanted, within_s=self._within_s())
        self._ahead |= zip(wanted, found, strict=True)

    def find_one(self, collection: str, filter: Mapping[str, Any], projection: Any = None) -> dict | None:
        asked = Query.of(collection, filter, projection, limit=1)
        if asked is None:
            return self._database[collection].find_one(filter, projection)
        return next(iter(self._read(asked)), None)

    def find(
        self,
        collection: str,
        filter: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] | None = None,
        limit: int = 0,
        projection: Any = None,
    ) -> list[dict]:
        asked = Query.of(collection, filter, projection, limit=limit)
        if asked is None or sort:
            return list(self._database[collection].find(filter, projection, sort=sort, limit=limit))
        return self._read(asked)

    def _read(self, asked: Query) -> list[dict]:
        """What was read ahead; else together with what other handlers ask for at this moment."""
        if asked in self._ahead:
            return self._ahead.pop(asked)
        if not asked.values:
            return []
        return self._reader.find(asked, within_s=self._within_s())[0]

    def _within_s(self) -> float:
        return READ_S_MAX if self.until is None else max(0.001, self.until - time.time())

    def save(self, collection: str, document: dict, events: Iterable[Any] = ()) -> None:
        """Write an aggregate, if nobody changed it since it was read, together with its events.

        `document` holds `_id` and `version` as read (0 for a new one); it is written with the next version, which is
        also the `sequence` of its events. Raises ValueError for an event of another aggregate and for a second save.
        """
        sequence = document["version"] + 1
        for event in events:
            subject = str(getattr(event, event.subject_field))
            if subject != str(document["_id"]):
                raise ValueError(f"{event.type_name} speaks of {subject}, not of {document['_id']}")
            self.changes.emitted.append(Emitted(event, sequence, new_id()))
        if any(c == collection and d["_id"] == document["_id"] for c, d in self.changes.saved):
            raise ValueError(
                f"{collection}/{document['_id']} was saved already: save an aggregate once, with all its events"
            )
        self.changes.saved.append((collection, document))

    def upsert_read_model(self, collection: str, document: dict) -> None:
        """Keep a copy of what another service owns, unless a newer one (by `sequence`) is kept already."""
        self.changes.read_models.append((collection, document))

    def delete(self, collection: str, id: str) -> None:
        self.changes.deleted.append((collection, id))

    def send(self, row: dict) -> None:
        """Publish a message that is no event of ours: `row` goes to the outbox as it is (see `message_row`)."""
        self.changes.messages.append(row)

    def schedule(
        self, kind: str, key: str, due_at: datetime.datetime, payload: Mapping[str, Any] | None = None
    ) -> None:
        """Set the durable job `kind`/`key`, replacing an earlier one. What is due runs right after the commit."""
        self.changes.scheduled.append(
            {
                "_id": job_id(kind, key),
                "kind": kind,
                "key": key,
                "due_at": due_at,
                "payload": dict(payload or {}),
                "attempt": 0,
                "claimed_until": None,
                "claim": None,
            }
        )

    def unschedule(self, kind: str, key: str) -> None:
        self.changes.unscheduled.append(job_id(kind, key))

    def next_number(self, name: str, *, first: int = 1) -> int:
        """The next number of a sequence: never given twice, not even when this handler fails (it may leave gaps)."""
        counter = self.find_one("sequences", {"_id": name})
        anew = self._runs > 1
        return self._sequences.next_number(name, first=first, counter=counter, anew=anew, within_s=self._within_s())

    def reserve_number(self, name: str, number: int, *, first: int = 1) -> None:
        """Keep the sequence above `number`, which came from elsewhere."""
        self._sequences.reserve_number(name, number, first=first)
