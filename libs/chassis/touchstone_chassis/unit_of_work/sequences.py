"""Gives numbers of sequences: a process draws many of them with one change of the counter, for all who ask."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import eventlet
from eventlet.event import Event
from pymongo import ReturnDocument
from pymongo.database import Database

from touchstone_chassis.observability import tracing
from touchstone_chassis.unit_of_work.dataloader import READ_S_MAX, NotReadInTime

DRAWN_AT_ONCE = 32


@dataclasses.dataclass(eq=False)
class _Asked:
    number: Event = dataclasses.field(default_factory=Event)
    traceparent: str | None = dataclasses.field(default_factory=tracing.traceparent)


class Sequences:
    """The counters of one database. A number is never given twice, not even when who asked for it fails.

    A counter's `last` is the highest number that was drawn, by whichever process, and its `reserved` the highest that
    came from elsewhere: what a process drew below that it does not give any more.
    """

    def __init__(self, database: Database, at_once: int = 1):
        """Of the `at_once` numbers that are drawn together those are gaps that nobody asked for when the process
        ends."""
        self._database, self._at_once = database, at_once
        self._drawn: dict[tuple[str, int], collections.deque[int]] = collections.defaultdict(collections.deque)
        self._waiting: dict[tuple[str, int], list[_Asked]] = {}

    def next_number(
        self,
        name: str,
        *,
        first: int,
        counter: Mapping[str, Any] | None = None,
        anew: bool = False,
        within_s: float = READ_S_MAX,
    ) -> int:
        """The next number; the sequence begins with `first`. Raises NotReadInTime or another PyMongoError.

        `counter` is its document as who asks has read it. With `anew` none is given that was drawn before: one of them
        is in the way, since the release before notes in `last` alone what came from elsewhere.
        """
        drawn = self._drawn[name, first]
        while drawn and drawn[0] <= (counter or {}).get("reserved", 0):
            drawn.popleft()
        if drawn and not anew:
            return drawn.popleft()
        return self._draw(name, first, within_s)

    def _draw(self, name: str, first: int, within_s: float) -> int:
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
        self._database["sequences"].update_one({"_id": name}, {"$max": {"last": number, "reserved": number}})

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
                count = max(len(waiting), self._at_once)
                last = self._advance(name, first, count)
        except BaseException as error:
            for asked in waiting:
                asked.number.send_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            numbers = range(last - count + 1, last + 1)
            for number, asked in zip(numbers, waiting, strict=False):
                asked.number.send(number)
            self._drawn[name, first] += numbers[len(waiting) :]

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
