"""What many ask for at the same time is asked of the database at once, and each gets what it would get alone."""

import time
from typing import Any

import eventlet
import pytest
from pymongo.errors import AutoReconnect

from touchstone_chassis.unit_of_work.dataloader import DataLoader, NotReadInTime, Query
from touchstone_chassis.unit_of_work.sequences import Sequences
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_devkit.eventually import patience
from touchstone_testing.memory_mongo import MemoryDatabase

pytestmark = pytest.mark.usefixtures("fixed_time")


class Collection:
    """Counts what it is asked, answers when it is allowed to, and fails as it is told."""

    name = "things"

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = list(documents)
        self.asked: list[Any] = []
        self.failures: list[Exception] = []
        self.slow_s = 0.0

    def find(self, filter: dict[str, Any], projection: Any = None, limit: int = 0) -> list[dict[str, Any]]:
        ((field, wanted),) = filter.items()
        values = wanted["$in"] if isinstance(wanted, dict) else [wanted]
        self.asked.append((field, sorted(values)))
        eventlet.sleep(self.slow_s)
        if "poison" in values:
            raise ValueError("cannot be encoded")
        if self.failures:
            raise self.failures.pop()
        shown = set(projection) | {"_id"} if projection else None
        found = [d for d in self.documents if set(values) & set(d[field] if isinstance(d[field], list) else [d[field]])]
        return [{k: v for k, v in d.items() if shown is None or k in shown} for d in found][: limit or None]


def one(reader: DataLoader, id: str, **options: Any) -> dict[str, Any] | None:
    return next(iter(reader.find(Query("things", "_id", (id,), limit=1), **options)[0]), None)


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
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    found = together(*(lambda id=id: one(reader, id) for id in ("a", "b", "c")))

    assert found == [{"_id": "a"}, {"_id": "b"}, None]
    assert collection.asked == [("_id", ["a", "b", "c"])]


def test_two_who_ask_for_the_same_document_get_one_each():
    collection = Collection({"_id": "a", "list": []})
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    first, second = together(lambda: one(reader, "a"), lambda: one(reader, "a"))
    first["list"].append("changed")

    assert second == {"_id": "a", "list": []}


def test_who_asks_while_a_query_is_under_way_is_not_given_its_answer():
    collection = Collection({"_id": "a", "n": 1})
    collection.slow_s = 0.05
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]
    first = eventlet.spawn(one, reader, "a")
    while not collection.asked:
        eventlet.sleep(0)
    collection.documents[0] = {"_id": "a", "n": 2}

    second = one(reader, "a")

    assert second == {"_id": "a", "n": 2}
    assert first.wait() is not None and len(collection.asked) == 2


def test_an_id_that_cannot_be_asked_for_costs_its_neighbours_nothing():
    collection = Collection({"_id": "a"})
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    good, bad = together(lambda: one(reader, "a"), lambda: one(reader, "poison"))

    assert good == {"_id": "a"} and isinstance(bad, ValueError)


def test_a_database_that_is_away_is_away_for_all_who_asked():
    collection = Collection({"_id": "a"})
    collection.failures.append(AutoReconnect("away"))
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    found = together(lambda: one(reader, "a"), lambda: one(reader, "b"))

    assert [type(error) for error in found] == [AutoReconnect, AutoReconnect]
    assert one(reader, "a") == {"_id": "a"}


def test_nobody_waits_longer_than_they_said():
    collection = Collection({"_id": "a"})
    collection.slow_s = 1
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    with pytest.raises(NotReadInTime):
        one(reader, "a", within_s=0.01)


def test_what_is_asked_for_by_another_field_comes_to_who_asked_for_it_and_only_in_part_where_that_was_asked():
    collection = Collection(
        {"_id": 1, "kind": "a", "n": 1}, {"_id": 2, "kind": "b", "n": 2}, {"_id": 3, "kind": "a", "n": 3}
    )
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    def ask(*kinds: str, limit: int = 0) -> Any:
        return lambda: reader.find(Query("things", "kind", kinds, (("_id", 1),), limit))[0]

    of_a, of_both, of_none = together(ask("a"), ask("b", "a"), ask("c"))

    assert (of_a, of_both, of_none) == ([{"_id": 1}, {"_id": 3}], [{"_id": 2}, {"_id": 1}, {"_id": 3}], [])
    assert collection.asked == [("kind", ["a", "b", "c"])]


def test_who_asks_for_few_gets_few():
    collection = Collection(*({"_id": n, "kind": "a"} for n in range(4)))
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    found = together(*(lambda: reader.find(Query("things", "kind", ("a",), limit=2))[0] for _ in range(2)))

    assert [[d["_id"] for d in documents] for documents in found] == [[0, 1], [0, 1]]


def test_where_there_are_many_each_asks_with_its_own_limit():
    collection = Collection(*({"_id": n, "kind": "a"} for n in range(1000)), {"_id": "x", "kind": "b"})
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    found = together(*(lambda kind=kind: reader.find(Query("things", "kind", (kind,), limit=2))[0] for kind in "ab"))

    assert [[d["_id"] for d in documents] for documents in found] == [[0, 1], ["x"]]
    assert collection.asked[1:] == [("kind", ["a"]), ("kind", ["b"])]


def test_a_field_that_holds_a_list_is_asked_for_by_each_alone():
    collection = Collection({"_id": 1, "kinds": ["a", "b"]})
    reader = DataLoader({"things": collection})  # type: ignore[arg-type]

    found = together(*(lambda kind=kind: reader.find(Query("things", "kinds", (kind,)))[0] for kind in "ab"))

    assert found == [[{"_id": 1, "kinds": ["a", "b"]}]] * 2


@pytest.fixture
def database() -> MemoryDatabase:
    """Things of three kinds, and the boxes that they are in."""
    database = MemoryDatabase()
    for number, kind in enumerate(["a", "a", "a", "b"]):
        database["things"].insert_one({"_id": f"{kind}-{number}", "kind": kind, "box": f"box-{number}", "list": []})
        database["boxes"].insert_one({"_id": f"box-{number}", "colour": "red"})
    return database


def kind(value: str, limit: int = 0) -> Query:
    return Query("things", "kind", (value,), (("box", 1),), limit)


def boxes(*ids: str) -> Query:
    return Query("boxes", "_id", ids)


def test_what_one_asks_of_several_collections_is_one_command_and_each_query_gets_its_own(database: MemoryDatabase):
    found = DataLoader(database).find(kind("a", limit=2), boxes("box-3", "box-9"), boxes())  # type: ignore[arg-type]

    things, red, none = found
    assert [thing.keys() for thing in things] == [{"_id", "box"}] * 2
    assert (red, none) == ([{"_id": "box-3", "colour": "red"}], [])
    assert database.reads == ["things/boxes/boxes"]


def test_many_who_ask_for_the_like_are_one_command_and_get_what_each_would_get_alone(database: MemoryDatabase):
    alone, reader = DataLoader(database), DataLoader(database)  # type: ignore[arg-type]
    asked = [
        (kind("a", limit=2), boxes("box-1")),
        (kind("b", limit=2), boxes("box-1", "box-2")),
        (kind("c", limit=2), boxes()),
    ]
    expected = [alone.find(*queries) for queries in asked]
    database.reads.clear()

    found = together(*(lambda queries=queries: reader.find(*queries) for queries in asked))

    assert found == expected
    assert database.reads == ["things/boxes"]


def test_who_asks_for_more_than_fits_costs_the_others_a_command_and_no_document(database: MemoryDatabase):
    database["things"].insert_many([{"_id": f"many-{n}", "kind": "many", "box": "x"} for n in range(100)])
    reader = DataLoader(database)  # type: ignore[arg-type]

    many, few = together(*(lambda k=k: reader.find(kind(k), boxes("box-0")) for k in ("many", "b")))

    assert (len(many[0]), [thing["_id"] for thing in few[0]]) == (100, ["b-3"])
    assert database.reads == ["things/boxes"] * 3


def test_a_handler_is_given_what_it_read_ahead_once_and_nothing_of_it_when_it_runs_again(database: MemoryDatabase):
    unit = UnitOfWork(database)  # type: ignore[arg-type]
    asked = {"kind": "a"}

    unit.read_ahead(("things", asked, None, 0), ("boxes", {"_id": "box-1"}, None, 1))
    first = unit.find("things", asked)
    box = unit.find_one("boxes", {"_id": "box-1"})
    reads = list(database.reads)
    again = unit.find("things", asked)
    unit.read_ahead(("things", asked, None, 0))
    unit.reset()
    anew = unit.find("things", asked)

    assert (len(first), box, reads) == (3, {"_id": "box-1", "colour": "red"}, ["things/boxes"])
    assert first == again == anew
    assert database.reads == ["things/boxes", "things", "things", "things"]


def test_what_was_read_ahead_otherwise_than_it_is_asked_for_is_not_taken_for_it(database: MemoryDatabase):
    unit = UnitOfWork(database)  # type: ignore[arg-type]
    unit.read_ahead(("things", {"kind": "a"}, None, 1), ("things", {"kind": "a"}, {"_id": 1}, 0))

    assert len(unit.find("things", {"kind": "a"})) == 3


@pytest.mark.parametrize("filter", [{}, {"kind": "a", "box": "b"}, {"n": 7}, {"kind": {"$gt": "a"}}, {"a.b": "c"}])
def test_what_cannot_be_told_apart_by_texts_in_a_field_is_not_read_ahead(
    database: MemoryDatabase, filter: dict[str, Any]
):
    unit = UnitOfWork(database)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="texts in a field"):
        unit.read_ahead(("boxes", {"_id": "a"}, None, 1), ("things", filter, None, 0))

    assert database.reads == []


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

    def find(self, _filter: Any, _projection: Any = None, limit: int = 0) -> list[dict[str, Any]]:
        return [] if self.last is None else [{"_id": "n", "last": self.last}]

    def update_one(self, _filter: Any, update: dict[str, Any], upsert: bool = False) -> None:
        self.last = update["$setOnInsert"]["last"] if self.last is None else self.last


def test_numbers_that_are_asked_for_together_are_one_change_of_the_counter_and_all_different():
    counters = Counters(last=41)
    sequences = Sequences({"sequences": counters})  # type: ignore[arg-type]

    numbers = together(*(lambda: sequences.next_number("n", first=1) for _ in range(5)))

    assert sorted(numbers) == [42, 43, 44, 45, 46]
    assert counters.changes == 1


def test_a_process_changes_the_counter_once_for_many_numbers_and_again_when_they_are_given():
    counters = Counters(last=0)
    sequences = Sequences({"sequences": counters}, at_once=3)  # type: ignore[arg-type]

    one_by_one = [sequences.next_number("n", first=1) for _ in range(4)]
    changes = counters.changes
    at_once = together(*(lambda: sequences.next_number("n", first=1) for _ in range(6)))

    assert (one_by_one, changes) == ([1, 2, 3, 4], 2)
    assert (sorted(at_once), counters.changes) == ([5, 6, 7, 8, 9, 10], 3)
    assert sequences.next_number("n", first=1) == 11


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


def test_nobody_waits_for_a_number_longer_than_they_said(monkeypatch):
    counters = Counters(last=0)
    sequences = Sequences({"sequences": counters})  # type: ignore[arg-type]
    answer = eventlet.event.Event()
    monkeypatch.setattr(counters, "find_one_and_update", lambda *_args, **_options: answer.wait())

    with pytest.raises(NotReadInTime):
        sequences.next_number("n", first=1, within_s=0.01)
    answer.send({"last": 1})
    eventlet.sleep(0.01)
    monkeypatch.undo()

    assert sequences.next_number("n", first=1, within_s=1) == 1


def test_a_number_that_a_handler_asks_for_is_not_waited_for_longer_than_its_caller_waits():
    counters, began = Counters(last=0), time.monotonic()
    unit = UnitOfWork({"sequences": counters})  # type: ignore[arg-type]
    unit.until = time.time() + 0.05
    counters.find_one_and_update = lambda *_args, **_options: eventlet.sleep(3)  # type: ignore[method-assign]

    with pytest.raises(NotReadInTime):
        unit.next_number("n")

    assert time.monotonic() - began < 2 * patience()
