"""What units of work that are committed at the same moment may rely on, as tests: on MongoDB and in memory alike."""

import datetime
from collections.abc import Callable
from typing import Any

import eventlet
import pytest
from conformance import ORIGIN, Desk, registered, thing
from pymongo.errors import AutoReconnect

from touchstone_chassis.unit_of_work import committer
from touchstone_chassis.unit_of_work.committer import NotCommittedInTime
from touchstone_chassis.unit_of_work.transaction import (
    AlreadyProcessed,
    AnswerStored,
    ClaimLost,
    Clash,
    CompletionRecord,
    IndexViolated,
    TransactionWriter,
)
from touchstone_chassis.unit_of_work.unit import UnitOfWork

Fill = Callable[[UnitOfWork], None]


def saving(id: str, **fields: Any) -> Fill:
    return lambda unit: unit.save("things", thing(id, **fields), [registered(id)])


class Together:
    """Commits units at the same moment, and notes how many each transaction held."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk, self.sizes = desk, list[int]()
        write = TransactionWriter.write

        def noted(writing: TransactionWriter, items: Any) -> None:
            self.sizes.append(len(items))
            write(writing, items)

        monkeypatch.setattr(TransactionWriter, "write", noted)

    def commit(self, *units: tuple[Fill, CompletionRecord]) -> list[Exception | None]:
        """What became of each, in order."""
        threads = [eventlet.spawn(self._outcome, fill, completion) for fill, completion in units]
        return [thread.wait() for thread in threads]

    def _outcome(self, fill: Fill, completion: CompletionRecord) -> Exception | None:
        unit = UnitOfWork(self.desk.database)
        fill(unit)
        try:
            self.desk._committer.commit(unit, ORIGIN, completion)
        except Exception as error:
            return error
        return None


@pytest.fixture
def together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Together:
    return Together(desk, monkeypatch)


class GroupConformance:
    """The suite."""

    def test_units_that_come_together_are_one_transaction_and_each_is_whole(self, together: Together) -> None:
        ids = [f"t-{number}" for number in range(10)]

        outcomes = together.commit(*((saving(id), CompletionRecord(inbox=f"i-{id}")) for id in ids))

        assert outcomes == [None] * 10 and together.sizes == [10]
        desk = together.desk
        assert desk.ids("things") == sorted(ids) and desk.ids("inbox") == sorted(f"i-{id}" for id in ids)
        assert sorted(row["subject"] for row in desk.committed) == sorted(ids)

    def test_no_group_is_larger_than_its_limit(self, together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(committer, "GROUP_MAX", 4)

        outcomes = together.commit(*((saving(f"t-{n}"), CompletionRecord(inbox=f"i-{n}")) for n in range(10)))

        assert outcomes == [None] * 10
        assert sum(together.sizes) == 10 and max(together.sizes) == 4

    @pytest.mark.parametrize("bad", ["repeated message", "stored answer", "lost claim", "clash", "violation"])
    def test_one_that_cannot_be_committed_costs_its_neighbours_nothing(self, together: Together, bad: str) -> None:
        desk = together.desk
        desk.commit(lambda unit: unit.save("things", thing("old", label="taken")), inbox="known")
        desk.commit(lambda unit: None, answer={"_id": "key", "body_hash": "h", "answer": b"1"})
        outdated = desk.one("things", "old")
        desk.commit(lambda unit: unit.save("things", dict(outdated or {})))
        unit, completion, error = {
            "repeated message": (saving("x"), CompletionRecord(inbox="known"), AlreadyProcessed),
            "stored answer": (saving("x"), CompletionRecord(answer={"_id": "key", "body_hash": "h"}), AnswerStored),
            "lost claim": (saving("x"), CompletionRecord(claim=("reminder/x", "nobody's")), ClaimLost),
            "clash": (lambda u: u.save("things", dict(outdated or {})), CompletionRecord(inbox="i-x"), Clash),
            "violation": (saving("x", label="taken"), CompletionRecord(inbox="i-x"), IndexViolated),
        }[bad]
        good = [(saving(f"t-{n}"), CompletionRecord(inbox=f"i-{n}")) for n in range(4)]

        outcomes = together.commit(*good[:2], (unit, completion), *good[2:])

        assert [type(outcome) for outcome in outcomes] == [type(None)] * 2 + [error] + [type(None)] * 2
        assert desk.ids("things") == ["old", "t-0", "t-1", "t-2", "t-3"]
        assert desk.ids("inbox") == sorted(["known", "i-0", "i-1", "i-2", "i-3"])

    def test_all_may_be_bad_but_one(self, together: Together) -> None:
        together.desk.commit(lambda unit: None, inbox="known")
        repeats = [(saving(f"x-{n}"), CompletionRecord(inbox="known")) for n in range(5)]

        outcomes = together.commit(*repeats, (saving("good"), CompletionRecord(inbox="new")))

        assert [type(outcome) for outcome in outcomes] == [AlreadyProcessed] * 5 + [type(None)]
        assert together.desk.ids("things") == ["good"]

    def test_of_two_that_change_the_same_document_the_second_learns_of_the_first(self, together: Together) -> None:
        together.desk.commit(saving("a"))
        read = together.desk.one("things", "a") or {}

        outcomes = together.commit(
            (lambda unit: unit.save("things", read | {"by": 1}), CompletionRecord(inbox="i-1")),
            (lambda unit: unit.save("things", read | {"by": 2}), CompletionRecord(inbox="i-2")),
            (saving("b"), CompletionRecord(inbox="i-3")),
        )

        assert [type(outcome) for outcome in outcomes] == [type(None), Clash, type(None)]
        assert (together.desk.one("things", "a") or {})["by"] == 1
        assert together.desk.ids("inbox") == ["i-1", "i-3"]

    def test_of_many_changed_documents_the_one_that_is_outdated_is_named(self, together: Together) -> None:
        for id in "abc":
            together.desk.commit(saving(id))
        read = {id: together.desk.one("things", id) or {} for id in "abc"}
        together.desk.commit(lambda unit: unit.save("things", read["a"] | {"by": "another"}))

        outcomes = together.commit(
            *((lambda unit, id=id: unit.save("things", read[id]), CompletionRecord(inbox=f"i-{id}")) for id in "abc")
        )

        assert [type(outcome) for outcome in outcomes] == [Clash, type(None), type(None)]
        assert together.desk.ids("inbox") == ["i-b", "i-c"]

    def test_of_two_of_the_same_message_one_is_processed(self, together: Together) -> None:
        outcomes = together.commit(
            (saving("a"), CompletionRecord(inbox="same")), (saving("b"), CompletionRecord(inbox="same"))
        )

        assert [type(outcome) for outcome in outcomes] == [type(None), AlreadyProcessed]
        assert together.desk.ids("things") == ["a"]

    def test_of_two_that_a_unique_index_keeps_apart_one_is_committed(self, together: Together) -> None:
        outcomes = together.commit(
            (saving("a", label="same"), CompletionRecord(inbox="i-1")),
            (saving("b", label="same"), CompletionRecord(inbox="i-2")),
        )

        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IndexViolated", "NoneType"]
        assert together.desk.ids("things", label="same") in (["a"], ["b"])

    def test_projections_and_deadlines_of_many_are_written_as_of_one(self, together: Together) -> None:
        desk, due_at = together.desk, datetime.datetime(2026, 3, 5, tzinfo=datetime.UTC)
        desk.commit(lambda unit: unit.upsert_read_model("copies", {"_id": "c-0", "sequence": 7, "n": "newer"}))

        def fill(number: int) -> Fill:
            def filled(unit: UnitOfWork) -> None:
                unit.upsert_read_model("copies", {"_id": f"c-{number}", "sequence": 5, "n": "older"})
                unit.schedule("reminder", f"r-{number}", due_at)

            return filled

        together.commit(*((fill(n), CompletionRecord(inbox=f"i-{n}")) for n in range(3)))

        assert together.sizes[-1] == 3
        copies = {d["_id"]: d["n"] for d in UnitOfWork(desk.database).find("copies", {})}
        assert copies == {"c-0": "newer", "c-1": "older", "c-2": "older"}
        assert desk.ids("deadlines") == ["reminder/r-0", "reminder/r-1", "reminder/r-2"]

    def test_what_nobody_can_be_blamed_for_is_tried_by_each_alone(
        self, together: Together, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = TransactionWriter.write

        def poisoned(writing: TransactionWriter, items: Any) -> None:
            whole(writing, items)
            if any(item.completion.inbox == "i-poison" for item in items):
                raise ValueError("something that names nobody")

        monkeypatch.setattr(TransactionWriter, "write", poisoned)

        outcomes = together.commit(
            *((saving(name), CompletionRecord(inbox=f"i-{name}")) for name in ("a", "poison", "b"))
        )

        assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None)]
        assert together.desk.ids("things") == ["a", "b"]

    def test_what_fails_after_the_commit_is_told_to_nobody(
        self, together: Together, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[int] = []

        def note(rows: Any, _changes: Any) -> None:
            told.append(len(rows))
            raise AutoReconnect("the clock cannot be read")

        monkeypatch.setattr(together.desk._committer, "_committed", note)

        outcomes = together.commit(*((saving(f"t-{n}"), CompletionRecord(inbox=f"i-{n}")) for n in range(3)))

        assert outcomes == [None] * 3
        assert together.sizes == [3] and told == [1, 1, 1]

    def test_a_database_that_goes_away_is_away_for_all_and_each_is_then_tried_alone(
        self, together: Together, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole, failures = TransactionWriter.write, [AutoReconnect("away")]

        def away_once(writing: TransactionWriter, items: Any) -> None:
            whole(writing, items)
            if failures:
                raise failures.pop()

        monkeypatch.setattr(TransactionWriter, "write", away_once)
        units = [UnitOfWork(together.desk.database) for _ in range(3)]
        for number, unit in enumerate(units):
            saving(f"t-{number}")(unit)

        def commit(number: int) -> Exception | None:
            try:
                together.desk._committer.commit(units[number], ORIGIN, CompletionRecord(inbox=f"i-{number}"))
            except Exception as error:
                return error
            return None

        first = [thread.wait() for thread in [eventlet.spawn(commit, n) for n in range(3)]]
        again = [thread.wait() for thread in [eventlet.spawn(commit, n) for n in range(3)]]

        assert [type(outcome) for outcome in first] == [AutoReconnect] * 3 and again == [None] * 3
        assert together.sizes == [3, 1, 1, 1]
        assert together.desk.ids("things") == ["t-0", "t-1", "t-2"]

    def test_what_was_not_begun_in_time_is_not_begun(self, together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
        whole, begun, go_on = TransactionWriter.write, eventlet.Event(), eventlet.Event()

        def held_up(writing: TransactionWriter, items: Any) -> None:
            if not begun.ready():
                begun.send()
            go_on.wait()
            whole(writing, items)

        monkeypatch.setattr(TransactionWriter, "write", held_up)
        first = eventlet.spawn(together.commit, (saving("a"), CompletionRecord(inbox="i-a")))
        begun.wait()
        unit = UnitOfWork(together.desk.database)
        saving("late")(unit)

        with pytest.raises(NotCommittedInTime):
            together.desk._committer.commit(unit, ORIGIN, CompletionRecord(inbox="i-late"), within_s=0.01)

        go_on.send()
        assert first.wait() == [None]
        together.commit((saving("b"), CompletionRecord(inbox="i-b")))
        assert together.desk.ids("things") == ["a", "b"]
