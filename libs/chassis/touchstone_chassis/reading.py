"""Reads documents by their ids: what many handlers ask for at the same time is asked of the database at once."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

import eventlet
from eventlet.event import Event
from pymongo.database import Database
from pymongo.errors import PyMongoError

from touchstone_chassis.mongo import is_transient

READ_S_MAX = 10.0
"""For those who set no limit; the driver's own is shorter as long as it reaches a server."""
IDS_MAX = 256

Projection = Mapping[str, int] | None


class NotReadInTime(PyMongoError):
    """The time that a read was given has passed."""

    @property
    def timeout(self) -> bool:
        return True


@dataclasses.dataclass(eq=False)
class _Asked:
    id: Any
    answer: Event = dataclasses.field(default_factory=Event)


class _Shelf:
    """One collection with one projection: while one query is under way, what is asked for waits for the next."""

    def __init__(self, database: Database, collection: str, projection: Projection):
        self._collection, self._projection = database[collection], dict(projection) if projection else None
        self._waiting: list[_Asked] = []
        self._at_work = False

    def get(self, id: Any, within_s: float) -> dict | None:
        asked = _Asked(id)
        self._waiting.append(asked)
        if not self._at_work:
            self._at_work = True
            eventlet.spawn(self._answer_all)
        answer = asked.answer.wait(timeout=within_s)
        if answer is None:
            raise NotReadInTime(f"{self._collection.name} was not read within {within_s:g} s")
        (document,) = answer
        return document

    def _answer_all(self) -> None:
        try:
            while self._waiting:
                eventlet.sleep(0)  # whoever is awake already may come along
                asked, self._waiting = self._waiting[:IDS_MAX], self._waiting[IDS_MAX:]
                self._answer(asked)
        finally:
            self._at_work = False

    def _answer(self, asked: list[_Asked]) -> None:
        try:
            self._give(asked)
        except Exception as error:
            if len(asked) == 1 or is_transient(error):
                for one in asked:
                    one.answer.send_exception(error)
            else:  # an id that cannot be asked for is its asker's affair
                for one in asked:
                    self._answer([one])
        except BaseException as error:
            for one in asked:
                if not one.answer.ready():
                    one.answer.send_exception(error)
            raise

    def _give(self, asked: list[_Asked]) -> None:
        ids = list({one.id for one in asked})
        if len(ids) == 1:
            found = self._collection.find_one({"_id": ids[0]}, self._projection)
            documents = {ids[0]: found} if found else {}
        else:
            documents = {d["_id"]: d for d in self._collection.find({"_id": {"$in": ids}}, self._projection)}
        given = set()
        for one in asked:
            document = documents.get(one.id)
            # Whoever reads may change what is read.
            one.answer.send((copy.deepcopy(document) if one.id in given else document,))
            given.add(one.id)


class Reader:
    """Documents of one database by id, as they are committed at some moment after they were asked for."""

    def __init__(self, database: Database):
        self._database = database
        self._shelves: dict[Any, _Shelf] = {}

    def get(
        self, collection: str, id: Any, projection: Projection = None, *, within_s: float = READ_S_MAX
    ) -> dict | None:
        """The document, or None. Raises NotReadInTime or another PyMongoError."""
        name = (collection, tuple(sorted(projection.items())) if projection else None)
        shelf = self._shelves.get(name)
        if shelf is None:
            shelf = self._shelves[name] = _Shelf(self._database, collection, projection)
        return shelf.get(id, within_s)
