"""What the model and the services rely on in a database, as tests: run on MongoDB and on the one in memory alike.

A module that has a fixture `database`, with the indexes of `INDEXES` and nothing in it, subclasses `Conformance`.
"""

import contextlib
import datetime
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from pymongo import ReturnDocument

from touchstone_chassis.unit_of_work import transaction
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.sequences import Sequences
from touchstone_chassis.unit_of_work.transaction import CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.events.membership import OrganisationRegistered
from touchstone_contracts.topology import Index
from touchstone_testing.event_keys import unsigned

INDEXES = [
    Index(collection="things", keys=[("label", 1)], unique=True),
    Index(collection="things", keys=[("place", 1), ("kind", 1)], unique=True, partial={"open": True}),
]
NOON = datetime.datetime(2026, 3, 5, 12, 0, 0, 123456, tzinfo=datetime.UTC)
ORIGIN = Origin("correlation", "cause")


def thing(id: str, **fields: Any) -> dict[str, Any]:
    return {"_id": id, "version": 0, "label": f"label of {id}"} | fields


def registered(id: str) -> OrganisationRegistered:
    return OrganisationRegistered(member_id=id, legal_name=id, member_class="PT", country="DE")


class Desk:
    """A unit of work at a time on a database, and what stands in the database then."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.committed: list[dict] = []
        self._committer = Committer(database, event_time=lambda: NOON, sign=unsigned, committed=self._note)

    def commit(self, fill: Callable[[UnitOfWork], None], **completion: Any) -> None:
        unit = UnitOfWork(self.database)
        fill(unit)
        self._committer.commit(unit, ORIGIN, CompletionRecord(**completion))

    def _note(self, rows: Any, _changes: Any) -> None:
        self.committed += rows

    def was_processed(self, key: str) -> bool:
        return self._committer.was_processed(key)

    def ids(self, collection: str, **filter: Any) -> list[Any]:
        return sorted(document["_id"] for document in UnitOfWork(self.database).find(collection, filter))

    def one(self, collection: str, id: str) -> dict[str, Any] | None:
        return UnitOfWork(self.database).find_one(collection, {"_id": id})

    def claim(self, id: str, claim: str) -> None:
        """As the deadline runner does it."""
        self.database["deadlines"].find_one_and_update(
            {"_id": id, "$or": [{"claimed_until": None}, {"claimed_until": {"$lt": NOON}}]},
            {"$set": {"claim": claim, "claimed_until": NOON}, "$inc": {"attempt": 1}},
            return_document=ReturnDocument.AFTER,
        )


@pytest.fixture
def desk(database: Any) -> Desk:
    return Desk(database)


class Conformance:
    """The suite."""

    def test_a_new_aggregate_gets_version_one_and_its_event_this_sequence(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.save("things", thing("a"), [registered("a")]))

        (row,) = desk.database["outbox"].find({})
        message = orjson.loads(row["body"])
        assert desk.one("things", "a")["version"] == 1
        assert (row["sequence"], row["pending"], row["subject"]) == (1, True, "a")
        assert (message["sequence"], message["id"], message["causationid"]) == (1, row["_id"], "cause")
        assert [committed["_id"] for committed in desk.committed] == [row["_id"]]

    def test_a_change_needs_the_version_that_was_read(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.save("things", thing("a")))
        desk.commit(lambda unit: unit.save("things", thing("a", version=1, colour="red")))

        with pytest.raises(transaction.Clash):
            desk.commit(lambda unit: unit.save("things", thing("a", version=1, colour="blue")))

        assert (desk.one("things", "a")["version"], desk.one("things", "a")["colour"]) == (2, "red")

    def test_a_second_new_one_with_the_same_id_clashes(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.save("things", thing("a")))

        with pytest.raises(transaction.Clash):
            desk.commit(lambda unit: unit.save("things", thing("a", label="other")))

    def test_a_unique_index_guards_what_is_new_and_what_changes(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.save("things", thing("a")))
        desk.commit(lambda unit: unit.save("things", thing("b")))

        with pytest.raises(transaction.IndexViolated):
            desk.commit(lambda unit: unit.save("things", thing("c", label="label of a")))
        with pytest.raises(transaction.IndexViolated):
            desk.commit(lambda unit: unit.save("things", thing("b", version=1, label="label of a")))

        assert desk.ids("things") == ["a", "b"]

    def test_a_partial_index_guards_only_what_it_speaks_of(self, desk: Desk) -> None:
        same = {"place": "here", "kind": "k"}
        desk.commit(lambda unit: unit.save("things", thing("a", open=False, **same)))
        desk.commit(lambda unit: unit.save("things", thing("b", open=True, **same)))

        with pytest.raises(transaction.IndexViolated):
            desk.commit(lambda unit: unit.save("things", thing("c", open=True, **same)))
        desk.commit(lambda unit: unit.save("things", thing("d", open=False, **same)))

        assert desk.ids("things") == ["a", "b", "d"]

    def test_one_unit_may_close_the_old_and_open_the_new(self, desk: Desk) -> None:
        same = {"place": "here", "kind": "k"}
        desk.commit(lambda unit: unit.save("things", thing("a", open=True, **same)))

        def renew(unit: UnitOfWork) -> None:
            unit.save("things", thing("b", open=True, **same))
            unit.save("things", thing("a", version=1, open=False, **same))

        desk.commit(renew)

        assert desk.ids("things", open=True) == ["b"]

    def test_all_of_a_unit_is_written_or_nothing(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.save("things", thing("a")))

        def half(unit: UnitOfWork) -> None:
            unit.save("things", thing("b"), [registered("b")])
            unit.save("things", thing("a", version=7))
            unit.upsert_read_model("copies", {"_id": "x", "sequence": 1})
            unit.schedule("kind", "key", NOON)

        with pytest.raises(transaction.Clash):
            desk.commit(half, inbox="handler/1", answer={"_id": "key", "answer": b"1"})

        assert desk.ids("things") == ["a"]
        assert [desk.ids(name) for name in ("copies", "deadlines", "outbox", "inbox", "idempotency")] == [[]] * 5
        assert not desk.was_processed("handler/1")

    def test_a_message_counts_once_for_a_handler(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.save("things", thing("a")), inbox="handler/1")

        with pytest.raises(transaction.AlreadyProcessed):
            desk.commit(lambda unit: unit.save("things", thing("b")), inbox="handler/1")
        desk.commit(lambda unit: unit.save("things", thing("c")), inbox="other/1")

        assert desk.ids("things") == ["a", "c"]
        assert desk.was_processed("handler/1") and not desk.was_processed("handler/2")

    def test_a_message_that_has_nothing_to_change_is_noted_all_the_same(self, desk: Desk) -> None:
        desk.commit(lambda unit: None, inbox="handler/1")

        assert desk.was_processed("handler/1")
        with pytest.raises(transaction.AlreadyProcessed):
            desk.commit(lambda unit: None, inbox="handler/1")

    def test_a_command_is_answered_once(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.save("things", thing("a")), answer={"_id": "key", "answer": b"1"})

        with pytest.raises(transaction.AnswerStored):
            desk.commit(lambda unit: unit.save("things", thing("b")), answer={"_id": "key", "answer": b"2"})

        assert desk.ids("things") == ["a"]
        assert desk.one("idempotency", "key")["answer"] == b"1"

    def test_a_copy_is_kept_only_if_it_is_newer(self, desk: Desk) -> None:
        for sequence, state in [(2, "second"), (1, "first"), (2, "again"), (5, "fifth")]:
            document = {"_id": "x", "sequence": sequence, "state": state}
            desk.commit(lambda unit, document=document: unit.upsert_read_model("copies", document))
            if sequence == 1:
                assert desk.one("copies", "x")["state"] == "second"

        assert desk.one("copies", "x")["state"] == "fifth"

    def test_a_deadline_ends_with_the_commit_of_who_claimed_it(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.schedule("kind", "key", NOON, {"a": 1}))
        desk.claim("kind/key", "mine")

        with pytest.raises(transaction.ClaimLost):
            desk.commit(lambda unit: unit.save("things", thing("a")), claim=("kind/key", "another's"))
        desk.commit(lambda unit: unit.save("things", thing("b")), claim=("kind/key", "mine"))

        assert desk.ids("things") == ["b"]
        assert desk.ids("deadlines") == []

    def test_a_deadline_may_set_itself_anew(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.schedule("kind", "key", NOON))
        desk.claim("kind/key", "mine")
        later = NOON + datetime.timedelta(days=1)

        desk.commit(lambda unit: unit.schedule("kind", "key", later), claim=("kind/key", "mine"))

        kept = desk.one("deadlines", "kind/key")
        assert (kept["due_at"], kept["claim"], kept["attempt"]) == (later.replace(microsecond=123000), None, 0)

    def test_a_deadline_that_is_set_anew_takes_the_claim_away(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.schedule("kind", "key", NOON))
        desk.claim("kind/key", "mine")
        desk.commit(lambda unit: unit.schedule("kind", "key", NOON))

        with pytest.raises(transaction.ClaimLost):
            desk.commit(lambda unit: None, claim=("kind/key", "mine"))

        assert desk.ids("deadlines") == ["kind/key"]

    def test_a_deadline_can_be_taken_back(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.schedule("kind", "key", NOON))

        desk.commit(lambda unit: unit.unschedule("kind", "key"))

        assert desk.ids("deadlines") == []

    def test_numbers_only_go_up_even_when_the_unit_fails(self, desk: Desk) -> None:
        desk.commit(lambda unit: unit.save("things", thing("a")))
        given = []

        def failing(unit: UnitOfWork) -> None:
            given.append(unit.next_number("numbers", first=100))
            unit.save("things", thing("a"))

        with contextlib.suppress(transaction.Clash):
            desk.commit(failing)
        unit = UnitOfWork(desk.database)
        given.append(unit.next_number("numbers", first=100))
        unit.reserve_number("numbers", 500, first=100)
        unit.reserve_number("numbers", 300, first=100)
        given.append(unit.next_number("numbers", first=100))

        assert given == [100, 101, 501]

    def test_a_number_from_elsewhere_and_what_is_below_is_given_by_no_process_that_drew_it_before(
        self, desk: Desk
    ) -> None:
        here, there = (Sequences(desk.database, at_once=4) for _ in range(2))

        def given_by(sequences: Sequences) -> int:
            return UnitOfWork(desk.database, None, sequences).next_number("numbers", first=100)

        given = [given_by(here), given_by(there), given_by(here)]
        UnitOfWork(desk.database).reserve_number("numbers", 105, first=100)
        given += [given_by(there), given_by(here)]
        UnitOfWork(desk.database).reserve_number("numbers", 7, first=100)
        given += [given_by(there), given_by(here)]

        assert given == [100, 104, 101, 106, 108, 107, 109]

    def test_a_handler_that_runs_again_gets_a_number_that_was_drawn_since(self, desk: Desk) -> None:
        here, there = (Sequences(desk.database, at_once=4) for _ in range(2))
        unit = UnitOfWork(desk.database, None, here)
        unit.reset()
        first = unit.next_number("numbers", first=100)
        UnitOfWork(desk.database, None, there).next_number("numbers", first=100)

        unit.reset()
        second = unit.next_number("numbers", first=100)

        assert (first, second) == (100, 108)
        assert UnitOfWork(desk.database, None, here).next_number("numbers", first=100) == 101

    def test_what_is_read_does_not_show_what_is_not_committed_and_can_be_changed(self, desk: Desk) -> None:
        unit = UnitOfWork(desk.database)
        unit.save("things", thing("a", tags=("x",)))

        assert unit.find_one("things", {"_id": "a"}) is None
        desk.commit(lambda other: other.save("things", thing("a", tags=("x",), at=NOON)))
        read = unit.find_one("things", {"_id": "a"})
        read["tags"].append("y")

        assert desk.one("things", "a")["tags"] == ["x"]
        assert desk.one("things", "a")["at"] == NOON.replace(microsecond=123000)

    @pytest.mark.parametrize(
        ("filter", "found"),
        [
            ({"size": 2}, ["b"]),
            ({"size": {"$gt": 1}}, ["b", "c"]),
            ({"size": {"$gte": 1, "$lt": 3}}, ["a", "b"]),
            ({"size": {"$lte": 1}}, ["a"]),
            ({"size": {"$ne": 2}}, ["a", "c", "d"]),
            ({"size": {"$exists": False}}, ["d"]),
            ({"size": None}, ["d"]),
            ({"note": None}, ["a", "c", "d"]),
            ({"note": {"$gt": ""}}, ["b"]),
            ({"tags": "x"}, ["a", "b"]),
            ({"tags": {"$in": ["y", "z"]}}, ["b", "c"]),
            ({"tags": {"$nin": ["y", "z"]}}, ["a", "d"]),
            ({"_id": {"$in": ["a", "d", "e"]}}, ["a", "d"]),
            ({"_id": {"$gt": "b"}}, ["c", "d"]),
            ({"party.kind": "member", "party.id": "m"}, ["a"]),
            ({"parts.who": "p"}, ["a", "b"]),
            ({"parts": {"$elemMatch": {"who": "p", "until": {"$gt": "5"}}}}, ["b"]),
            ({"$or": [{"size": 1}, {"tags": "z"}]}, ["a", "c"]),
            ({"open": True}, ["a"]),
            ({"size": True}, []),
            ({"size": {"$gt": "1"}}, []),
            ({}, ["a", "b", "c", "d"]),
        ],
        ids=str,
    )
    def test_a_filter_finds_what_mongodb_finds(self, desk: Desk, filter: dict, found: list[str]) -> None:
        def fill(unit: UnitOfWork) -> None:
            party, parts = {"kind": "member", "id": "m"}, [{"who": "p", "until": "1"}, {"who": "q", "until": "9"}]
            unit.save("things", thing("a", size=1, tags=["x"], party=party, parts=parts, open=True))
            unit.save("things", thing("b", size=2, tags=["x", "y"], note="n", parts=[{"who": "p", "until": "9"}]))
            unit.save("things", thing("c", size=3, tags=["z"], note=None, party={"kind": "member", "id": "n"}))
            unit.save("things", thing("d"))

        desk.commit(fill)

        assert desk.ids("things", **filter) == found

    def test_what_is_found_comes_sorted_cut_and_in_part(self, desk: Desk) -> None:
        def fill(unit: UnitOfWork) -> None:
            for id, size, colour in [("a", 2, "red"), ("b", 1, "red"), ("c", 3, "blue"), ("d", 2, "blue")]:
                unit.save("things", thing(id, size=size, colour=colour))

        desk.commit(fill)
        unit = UnitOfWork(desk.database)

        assert [d["_id"] for d in unit.find("things", {}, sort=[("size", -1), ("_id", 1)], limit=3)] == ["c", "a", "d"]
        assert unit.find("things", {"_id": "a"}, projection={"_id": 1, "size": 1}) == [{"_id": "a", "size": 2}]
        assert unit.find_one("things", {"_id": "a"}, {"size": 1}) == {"_id": "a", "size": 2}

    def test_of_what_stands_deeper_a_part_is_shown_too(self, desk: Desk) -> None:
        def fill(unit: UnitOfWork) -> None:
            unit.save("things", thing("a", party={"kind": "member", "id": "m"}, parts=[{"who": "p", "until": "1"}, 7]))
            unit.save("things", thing("b", party=None, parts=[]))
            unit.save("things", thing("c", party="nobody"))

        desk.commit(fill)
        wanted = {"party.kind": 1, "parts.who": 1}

        assert UnitOfWork(desk.database).find("things", {}, sort=[("_id", 1)], projection=wanted) == [
            {"_id": "a", "party": {"kind": "member"}, "parts": [{"who": "p"}]},
            {"_id": "b", "parts": []},
            {"_id": "c"},
        ]

    def test_what_is_read_ahead_of_several_collections_is_what_each_would_have_given(self, desk: Desk) -> None:
        def fill(unit: UnitOfWork) -> None:
            for id, kind in [("a", "box"), ("b", "box"), ("c", "lid"), ("d", "bag")]:
                unit.save("things", thing(id, kind=kind, place=f"place of {id}", party={"kind": "member", "id": id}))
            unit.upsert_read_model("copies", {"_id": "a", "sequence": 1, "tags": ["x"], "at": NOON})

        desk.commit(fill)
        unit, shown = UnitOfWork(desk.database), {"label": 1, "party.id": 1}
        wanted: list[Any] = [
            ("things", {"kind": {"$in": ["box", "lid"]}}, shown, 0),
            ("copies", {"_id": "a"}, None, 1),
            ("things", {"kind": "box"}, None, 1),
            ("copies", {"_id": {"$in": []}}, None, 0),
            ("nowhere", {"_id": "a"}, None, 1),
        ]
        apart = [UnitOfWork(desk.database).find(c, f, projection=p, limit=n) for c, f, p, n in wanted]

        unit.read_ahead(*wanted)
        together = [unit.find(c, f, projection=p, limit=n) for c, f, p, n in wanted]

        assert [sorted(found, key=str) for found in together] == [sorted(found, key=str) for found in apart]
        assert [len(found) for found in together] == [3, 1, 1, 0, 0]

    def test_rows_are_marked_and_removed_as_the_relay_does_it(self, desk: Desk) -> None:
        for id in ("a", "b", "c"):
            desk.commit(lambda unit, id=id: unit.save("things", thing(id), [registered(id)]))
        outbox = desk.database["outbox"]
        first, second, third = (row["_id"] for row in outbox.find({"pending": True}, sort=[("subject", 1)]))

        outbox.update_many({"_id": {"$in": [first]}}, {"$set": {"pending": False}})
        outbox.delete_many({"_id": {"$in": [second]}})
        outbox.update_many({"_id": {"$in": [third]}, "pending": True}, {"$inc": {"attempts": 1}})

        assert {row["_id"]: (row["pending"], row["attempts"]) for row in outbox.find({})} == {
            first: (False, 0),
            third: (True, 1),
        }
