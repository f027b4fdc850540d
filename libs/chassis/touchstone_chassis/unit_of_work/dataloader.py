"""Finds documents by one field: what many handlers ask for at the same time is asked of the database at once, and so is
what one handler asks for of several collections."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
ROWS_MAX = 10_000
"""Come in one answer, unless they are more than 16 MB."""


class NotReadInTime(PyMongoError):
    """The time that a read was given has passed."""

    @property
    def timeout(self) -> bool:
        return True


class Query(NamedTuple):
    """The documents of a collection that have one of these texts in a field: all or `limit`, whole or in part."""

    collection: str
    field: str
    values: tuple[str, ...]
    projection: tuple[tuple[str, int], ...] | None = None
    limit: int = 0

    @classmethod
    def of(
        cls, collection: str, filter: Mapping[str, Any], projection: Mapping[str, int] | None = None, *, limit: int = 0
    ) -> "Query | None":
        """None for a filter that asks for more than some texts in one field."""
        asked = _one_field(filter)
        if asked is None:
            return None
        field, values = asked
        shown = tuple(sorted(projection.items())) if projection else None
        return cls(collection, field, tuple(dict.fromkeys(values)), shown, limit)


def _one_field(filter: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    if len(filter) != 1:
        return None
    ((field, wanted),) = filter.items()
    is_choice = isinstance(wanted, dict) and wanted.keys() == {"$in"}
    values = [wanted] if isinstance(wanted, str) else wanted["$in"] if is_choice else None
    if values is None or field.startswith("$") or "." in field or not all(isinstance(value, str) for value in values):
        return None
    return field, list(values)


@dataclasses.dataclass(eq=False)
class _Asked:
    queries: tuple[Query, ...]
    answer: Event = dataclasses.field(default_factory=Event)
    traceparent: str | None = dataclasses.field(default_factory=tracing.traceparent)


class _TooMany(Exception):
    """There is more than may be read together."""


class _BatchedQueries:
    """Queries alike but for their values: while one command is under way, what is asked for waits for the next."""

    def __init__(self, database: Database, shapes: Sequence[Query]):
        self._database, self._shapes = database, shapes
        self._name = "/".join(shape.collection for shape in shapes)
        self._waiting: list[_Asked] = []
        self._at_work = False
        self._last_askers = 1

    def find(self, queries: tuple[Query, ...], within_s: float) -> list[list[dict]]:
        asked = _Asked(queries)
        self._waiting.append(asked)
        if not self._at_work:
            self._at_work = True
            eventlet.spawn(self._answer_all)
        answer: list[list[dict]] | None = asked.answer.wait(timeout=within_s)
        if answer is None:
            raise NotReadInTime(f"{self._name} was not read within {within_s:g} s")
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
        operation = "find" if len(self._shapes) == 1 else "aggregate"
        with tracing.database_span(operation, self._name, len(asked), links):
            if len(asked) == 1:
                (one,) = asked
                answers = [_found(self._database, one.queries)]
            else:
                answers = self._found_together(asked)
        for one, answer in zip(asked, answers, strict=True):
            one.answer.send(answer)

    def _found_together(self, asked: Sequence[_Asked]) -> list[list[list[dict]]]:
        """For each who asked, what each of its queries finds. Raises _TooMany."""
        of_each_query = list(zip(*(one.queries for one in asked), strict=True))
        merged = [_merged(alike) for alike in of_each_query]
        found = _found(self._database, merged)
        shared = [_by_value(one, documents) for one, documents in zip(merged, found, strict=True)]
        return [[_own(query, shared[n]) for n, query in enumerate(one.queries)] for one in asked]


def _merged(alike: Sequence[Query]) -> Query:
    """One query that finds what all of these do, with the field by which it can be told for whom, and one more than may
    be read together."""
    first = alike[0]
    values = tuple(dict.fromkeys(value for query in alike for value in query.values))
    shown = first.projection and tuple({**dict(first.projection), first.field: 1}.items())
    return first._replace(values=values, projection=shown, limit=len(alike) * FOUND_EACH_MAX + 1)


def _by_value(merged: Query, documents: Sequence[dict]) -> dict[str, list[dict]]:
    if len(documents) == merged.limit:
        raise _TooMany
    found: dict[str, list[dict]] = {}
    for document in documents:
        value = document[merged.field]
        if not isinstance(value, str):  # a list that holds it: whose it is, only the database knows
            raise _TooMany
        found.setdefault(value, []).append(document)
    return found


def _own(query: Query, found: Mapping[str, list[dict]]) -> list[dict]:
    """What one of those who asked together gets. Whoever reads may change what is read."""
    mine = copy.deepcopy(
        [document for value in query.values for document in found.get(value, ())][: query.limit or None]
    )
    if query.projection is not None and query.field not in ("_id", *dict(query.projection)):
        for document in mine:
            del document[query.field]
    return mine


def _found(database: Database, queries: Sequence[Query]) -> list[list[dict]]:
    """What each query finds, by one command."""
    first, *others = queries
    collection = database[first.collection]
    if not others:
        shown = dict(first.projection) if first.projection else None
        return [list(collection.find(_filter(first), shown, limit=first.limit))]
    pipeline = _stages(0, first)
    pipeline += [{"$unionWith": {"coll": q.collection, "pipeline": _stages(n, q)}} for n, q in enumerate(others, 1)]
    found: list[list[dict]] = [[] for _ in queries]
    for row in collection.aggregate(pipeline, batchSize=ROWS_MAX):
        found[row["query"]].append(row["found"])
    return found


def _stages(number: int, query: Query) -> list[dict[str, Any]]:
    """The same as a part of a pipeline, whose rows say to which query they belong."""
    limit = [{"$limit": query.limit}] if query.limit else []
    shown = [{"$project": dict(query.projection)}] if query.projection else []
    row = {"query": {"$literal": number}, "found": "$$ROOT"}
    return [{"$match": _filter(query)}, *limit, *shown, {"$replaceWith": row}]


def _filter(query: Query) -> dict[str, Any]:
    return {query.field: query.values[0] if len(query.values) == 1 else {"$in": list(query.values)}}


class DataLoader:
    """Documents of one database, as they are committed at some moment after they were asked for."""

    def __init__(self, database: Database):
        self._database = database
        self._batched: dict[tuple[Query, ...], _BatchedQueries] = {}

    def find(self, *queries: Query, within_s: float = READ_S_MAX) -> list[list[dict]]:
        """What each query finds, by one command for all. Raises NotReadInTime or another PyMongoError."""
        shapes = tuple(query._replace(values=()) for query in queries)
        batched = self._batched.get(shapes)
        if batched is None:
            batched = self._batched[shapes] = _BatchedQueries(self._database, shapes)
        return batched.find(queries, within_s)
