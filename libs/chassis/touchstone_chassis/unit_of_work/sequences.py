"""Gives numbers of sequences: all that are asked for at the same time with one change of the counter."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import eventlet
from eventlet.event import Event
from pymongo import ReturnDocument
from pymongo.database import Database

from touchstone_chassis.observability import tracing
from touchstone_chassis.unit_of_work.dataloader import READ_S_MAX, NotReadInTime


@dataclasses.dataclass(eq=False)
class _Asked:
    number: Event = dataclasses.field(default_factory=Event)
    traceparent: str | None = dataclasses.field(default_factory=tracing.traceparent)


class Sequences:
    """The counters of one database. A number is never given twice, not even when who asked for it fails."""

    def __init__(self, database: Database):
        self._database = database
        self._waiting: dict[tuple[str, int], list[_Asked]] = {}

    def next_number(self, name: str, *, first: int, within_s: float = READ_S_MAX) -> int:
        """The next number; the sequence begins with `first`. Raises NotReadInTime or another PyMongoError."""
        waiting = self._waiting.get((name, first))
        if waiting is None:
            waiting = self._waiting[name, first] = []
            eventlet.spawn(self._give_all, name, first)
        asked = _Asked()
        waiting.append(asked)
        given: int | None = asked.number.wait(timeout=within_s)
        if given is None:  # what it is given later is a gap
            raise NotReadInTime(f"no number of {name} within {within_s:g} s")
        return given

    def reserve_number(self, name: str, number: int, *, first: int) -> None:
        """Keep the sequence above `number`, which came from elsewhere."""
        self._start(name, first)
        self._database["sequences"].update_one({"_id": name}, {"$max": {"last": number}})

    def _give_all(self, name: str, first: int) -> None:
        """Until nobody waits: who asks while the counter is being changed is served by its next change."""
        try:
            while waiting := self._waiting[name, first]:
                eventlet.sleep(0)  # whoever is awake already may come along
                self._waiting[name, first] = []
                self._give(waiting, name, first)
        finally:
            del self._waiting[name, first]

    def _give(self, waiting: Sequence[_Asked], name: str, first: int) -> None:
        try:
            links = (tracing.link(asked.traceparent) for asked in waiting)
            with tracing.database_span("find_one_and_update", "sequences", len(waiting), links):
                last = self._advance(name, first, len(waiting))
        except BaseException as error:
            for asked in waiting:
                asked.number.send_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for number, asked in enumerate(waiting, last - len(waiting) + 1):
                asked.number.send(number)

    def _advance(self, name: str, first: int, count: int) -> int:
        counter = self._increase(name, count)
        if counter is None:
            self._start(name, first)
            counter = self._increase(name, count)
        assert counter is not None
        last: int = counter["last"]
        return last

    def _increase(self, name: str, count: int) -> dict[str, Any] | None:
        counter: dict[str, Any] | None = self._database["sequences"].find_one_and_update(
            {"_id": name}, {"$inc": {"last": count}}, return_document=ReturnDocument.AFTER
        )
        return counter

    def _start(self, name: str, first: int) -> None:
        self._database["sequences"].update_one({"_id": name}, {"$setOnInsert": {"last": first - 1}}, upsert=True)
