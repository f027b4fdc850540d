"""Finds documents by one field: what many handlers ask for at the same time is asked of the database at once."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import eventlet
from eventlet.event import Event
from pymongo.database import Database
from pymongo.errors import PyMongoError

from touchstone_chassis.mongo.client import is_transient
from touchstone_chassis.observability import tracing

READ_S_MAX = 10.0
"""For those who set no limit; the driver's own is shorter as long as it reaches a server."""
ASKERS_MAX = 256
LINGER_S = 0.001
FOUND_EACH_MAX = 8
"""So many documents for each who asks are read together; where there are more, each asks alone, with its own limit."""

Projection = Mapping[str, int] | None


class NotReadInTime(PyMongoError):
    """The time that a read was given has passed."""

    @property
    def timeout(self) -> bool:
        return True


@dataclasses.dataclass(eq=False)
class _Asked:
    values: tuple[str, ...]
    answer: Event = dataclasses.field(default_factory=Event)
    traceparent: str | None = dataclasses.field(default_factory=tracing.traceparent)


class _TooMany(Exception):
    """There is more than may be read together."""


class _BatchedQuery:
    """One collection by one field: while one query is under way, what is asked for waits for the next."""

    def __init__(self, database: Database, collection: str, field: str, projection: Projection, limit: int):
        self._collection, self._field, self._limit = database[collection], field, limit
        self._projection = dict(projection) if projection else None
        self._strip = self._projection is not None and field != "_id" and not self._projection.get(field)
        self._waiting: list[_Asked] = []
        self._at_work = False
        self._last_askers = 1

    def find(self, values: tuple[str, ...], within_s: float) -> list[dict]:
        asked = _Asked(values)
        self._waiting.append(asked)
        if not self._at_work:
            self._at_work = True
            eventlet.spawn(self._answer_all)
        answer: list[dict] | None = asked.answer.wait(timeout=within_s)
        if answer is None:
            raise NotReadInTime(f"{self._collection.name} was not read within {within_s:g} s")
        return answer

    def _answer_all(self) -> None:
        try:
            while self._waiting:
                # Alone, it is asked at once; else others may come along.
                eventlet.sleep(LINGER_S if self._last_askers > 1 else 0)
                asked, self._waiting = self._waiting[:ASKERS_MAX], self._waiting[ASKERS_MAX:]
                self._last_askers = len(asked)
                self._answer(asked)
        finally:
            self._at_work = False

    def _answer(self, asked: Sequence[_Asked]) -> None:
        try:
            self._give(asked)
        except Exception as error:
            if len(asked) == 1 or is_transient(error):
                for one in asked:
                    one.answer.send_exception(error)
            else:  # what cannot be asked for is its asker's affair
                for one in asked:
                    self._answer([one])
        except BaseException as error:
            for one in asked:
                if not one.answer.ready():
                    one.answer.send_exception(error)
            raise

    def _give(self, asked: Sequence[_Asked]) -> None:
        links = (tracing.link(one.traceparent) for one in asked)
        if len(asked) == 1:
            (one,) = asked
            with tracing.database_span("find", self._collection.name, 1, links):
                found_alone = list(self._collection.find(self._filter(one.values), self._projection, limit=self._limit))
            one.answer.send(found_alone)
            return
        values = list(dict.fromkeys(value for one in asked for value in one.values))
        with tracing.database_span("find", self._collection.name, len(asked), links):
            found = self._found_together(values, len(asked))
        for one in asked:
            mine = [document for value in one.values for document in found.get(value, ())]
            # Whoever reads may change what is read.
            one.answer.send(copy.deepcopy(mine[: self._limit or None]))

    def _found_together(self, values: list[str], askers: int) -> dict[str, list[dict]]:
        most = askers * FOUND_EACH_MAX
        projection = self._projection | {self._field: 1} if self._projection and self._strip else self._projection
        found: dict[str, list[dict]] = {}
        documents = list(self._collection.find({self._field: {"$in": values}}, projection, limit=most + 1))
        if len(documents) > most:
            raise _TooMany
        for document in documents:
            value = document.pop(self._field) if self._strip else document[self._field]
            if not isinstance(value, str):  # a list that holds it: whose it is, only the database knows
                raise _TooMany
            found.setdefault(value, []).append(document)
        return found

    def _filter(self, values: tuple[str, ...]) -> dict[str, Any]:
        return {self._field: values[0] if len(values) == 1 else {"$in": list(values)}}


class DataLoader:
    """Documents of one database, as they are committed at some moment after they were asked for."""

    def __init__(self, database: Database):
        self._database = database
        self._queries: dict[Any, _BatchedQuery] = {}

    def find(
        self,
        collection: str,
        field: str,
        values: Sequence[str],
        projection: Projection = None,
        *,
        limit: int = 0,
        within_s: float = READ_S_MAX,
    ) -> list[dict]:
        """The documents whose `field` is one of the values. Raises NotReadInTime or another PyMongoError."""
        name = (collection, field, tuple(sorted(projection.items())) if projection else None, limit)
        query = self._queries.get(name)
        if query is None:
            query = self._queries[name] = _BatchedQuery(self._database, collection, field, projection, limit)
        return query.find(tuple(dict.fromkeys(values)), within_s)
