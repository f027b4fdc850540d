"""What many ask for at the same time is asked of the database at once, and each gets what it would get alone."""

from typing import Any

import eventlet
import pytest
from pymongo.errors import AutoReconnect

from touchstone_chassis.reading import NotReadInTime, Reader
from touchstone_chassis.sequences import Sequences


class Collection:
    """Counts what it is asked, answers when it is allowed to, and fails as it is told."""

    name = "things"

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = {document["_id"]: document for document in documents}
        self.asked: list[Any] = []
        self.failures: list[Exception] = []
        self.slow_s = 0.0

    def find_one(self, filter: dict[str, Any], projection: Any = None) -> dict[str, Any] | None:
        return next(iter(self.find({"_id": {"$in": [filter["_id"]]}})), None)

    def find(self, filter: dict[str, Any], projection: Any = None) -> list[dict[str, Any]]:
        ids = filter["_id"]["$in"]
        self.asked.append(sorted(ids))
        eventlet.sleep(self.slow_s)
        if "poison" in ids:
            raise ValueError("cannot be encoded")
        if self.failures:
            raise self.failures.pop()
        return [dict(self.documents[id]) for id in ids if id in self.documents]


def together(*reads: Any) -> list[Any]:
    """What each gives, or the exception that it raises, when all begin at the same time."""

    def outcome(read: Any) -> Any:
        try:
            return read()
        except Exception as error:
            return error

    threads = [eventlet.spawn(outcome, read) for read in reads]
    return [thread.wait() for thread in threads]


def test_what_is_asked_for_together_is_one_query():
    collection = Collection({"_id": "a"}, {"_id": "b"})
    reader = Reader({"things": collection})  # type: ignore[arg-type]

    found = together(*(lambda id=id: reader.get("things", id) for id in ("a", "b", "c")))

    assert found == [{"_id": "a"}, {"_id": "b"}, None]
    assert collection.asked == [["a", "b", "c"]]


def test_two_who_ask_for_the_same_document_get_one_each():
    collection = Collection({"_id": "a", "list": []})
    reader = Reader({"things": collection})  # type: ignore[arg-type]

    first, second = together(lambda: reader.get("things", "a"), lambda: reader.get("things", "a"))
    first["list"].append("changed")

    assert second == {"_id": "a", "list": []}


def test_who_asks_while_a_query_is_under_way_is_not_given_its_answer():
    collection = Collection({"_id": "a", "n": 1})
    collection.slow_s = 0.05
    reader = Reader({"things": collection})  # type: ignore[arg-type]
    first = eventlet.spawn(reader.get, "things", "a")
    while not collection.asked:
        eventlet.sleep(0)
    collection.documents["a"] = {"_id": "a", "n": 2}

    second = reader.get("things", "a")

    assert second == {"_id": "a", "n": 2}
    assert first.wait() is not None and len(collection.asked) == 2


def test_an_id_that_cannot_be_asked_for_costs_its_neighbours_nothing():
    collection = Collection({"_id": "a"})
    reader = Reader({"things": collection})  # type: ignore[arg-type]

    good, bad = together(lambda: reader.get("things", "a"), lambda: reader.get("things", "poison"))

    assert good == {"_id": "a"} and isinstance(bad, ValueError)


def test_a_database_that_is_away_is_away_for_all_who_asked():
    collection = Collection({"_id": "a"})
    collection.failures.append(AutoReconnect("away"))
    reader = Reader({"things": collection})  # type: ignore[arg-type]

    found = together(lambda: reader.get("things", "a"), lambda: reader.get("things", "b"))

    assert [type(error) for error in found] == [AutoReconnect, AutoReconnect]
    assert reader.get("things", "a") == {"_id": "a"}


def test_nobody_waits_longer_than_they_said():
    collection = Collection({"_id": "a"})
    collection.slow_s = 1
    reader = Reader({"things": collection})  # type: ignore[arg-type]

    with pytest.raises(NotReadInTime):
        reader.get("things", "a", within_s=0.01)


class Counters:
    """The collection of sequences, with one counter."""

    def __init__(self, last: int | None = None) -> None:
        self.last, self.changes, self.failures = last, 0, 0

    def find_one_and_update(self, _filter: Any, update: dict[str, Any], **_: Any) -> dict[str, Any] | None:
        eventlet.sleep(0)
        if self.failures:
            self.failures -= 1
            raise AutoReconnect("away")
        if self.last is None:
            return None
        self.changes += 1
        self.last += update["$inc"]["last"]
        return {"last": self.last}

    def update_one(self, _filter: Any, update: dict[str, Any], upsert: bool = False) -> None:
        self.last = update["$setOnInsert"]["last"] if self.last is None else self.last


def test_numbers_that_are_asked_for_together_are_one_change_of_the_counter_and_all_different():
    counters = Counters(last=41)
    sequences = Sequences({"sequences": counters})  # type: ignore[arg-type]

    numbers = together(*(lambda: sequences.next_number("n", first=1) for _ in range(5)))

    assert sorted(numbers) == [42, 43, 44, 45, 46]
    assert counters.changes == 1


def test_a_sequence_that_nobody_started_begins_with_its_first_number():
    sequences = Sequences({"sequences": Counters()})  # type: ignore[arg-type]

    assert [sequences.next_number("n", first=10_001) for _ in range(2)] == [10_001, 10_002]


def test_a_counter_that_cannot_be_changed_is_told_to_all_who_waited_and_asked_again_by_the_next():
    counters = Counters(last=0)
    counters.failures = 1
    sequences = Sequences({"sequences": counters})  # type: ignore[arg-type]

    told = together(*(lambda: sequences.next_number("n", first=1) for _ in range(2)))

    assert [type(error) for error in told] == [AutoReconnect, AutoReconnect]
    assert sequences.next_number("n", first=1) == 1
