"""A difference is announced when it begins and when it ends; one that a person accepted has ended, as it is."""

import datetime
from typing import Any

import pytest

from touchstone_chassis.reconciliation.discrepancies import Differences
from touchstone_contracts.events.differences import register

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
FOUND = {"id": "d-1", "kind": "notices_doubled", "about": {"event": "e-1"}, "sentence": "Rosa is told twice."}


class Memory:
    """A unit of work that writes at once, and remembers what was announced."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.announced: list[str] = []

    def find(self, collection: str, filter: Any) -> list[dict[str, Any]]:
        return [document for id, document in self.documents.items() if id in filter["_id"]["$in"]]

    def save(self, collection: str, document: dict[str, Any], events: Any = ()) -> None:
        self.documents[document["_id"]] = document | {"version": document["version"] + 1}
        self.announced += [type(event).type_name.split(".")[1] for event in events]


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def differences(memory: Memory) -> Differences:
    kept = Differences(memory, register("toy"))  # type: ignore[arg-type]
    kept.report([FOUND], [], NOW)
    return kept


def accept(differences: Differences, *ids: str) -> dict[str, str]:
    return differences.accept(ids, who="ola", why="apologised", now=NOW)


def test_what_is_accepted_says_by_whom_why_and_when_and_is_announced_as_settled(
    differences: Differences, memory: Memory
) -> None:
    refused = accept(differences, "d-1", "d-1", "d-2")

    kept = memory.documents["d-1"]
    assert (kept["state"], kept["accepted_by"], kept["why"], kept["accepted_at"]) == (
        "accepted",
        "ola",
        "apologised",
        NOW,
    )
    assert refused == {"d-2": "not_found"} and memory.announced == ["difference_found", "difference_settled"]


def test_what_is_accepted_is_not_new_while_the_same_is_said_of_it(differences: Differences, memory: Memory) -> None:
    accept(differences, "d-1")

    assert differences.report([FOUND], [], NOW) == [] and memory.documents["d-1"]["state"] == "accepted"
    assert differences.report([FOUND | {"sentence": "Rosa is told thrice."}], [], NOW) == ["d-1"]
    assert memory.documents["d-1"]["state"] == "open" and "why" not in memory.documents["d-1"]
    assert memory.announced == ["difference_found", "difference_settled", "difference_found"]


def test_what_was_accepted_and_is_gone_is_settled_in_silence_and_new_when_it_comes_back(
    differences: Differences, memory: Memory
) -> None:
    accept(differences, "d-1")

    differences.report([], ["d-1"], NOW)

    assert memory.documents["d-1"]["state"] == "settled"
    assert memory.announced == ["difference_found", "difference_settled"]
    assert differences.report([FOUND], [], NOW) == ["d-1"]


def test_an_address_in_a_reason_is_masked_where_it_is_shown(differences: Differences, memory: Memory) -> None:
    differences.accept(["d-1"], who="ola", why="wrote to rosa@example.org", now=NOW)
    memory.find = lambda *_, **__: list(memory.documents.values())  # type: ignore[method-assign]

    ((shown,), _) = differences.listed("accepted", None, 10)

    assert "rosa@" not in shown["why"] and "example.org" in shown["why"]


def test_only_what_is_open_is_accepted(differences: Differences) -> None:
    accept(differences, "d-1")

    assert accept(differences, "d-1") == {"d-1": "accepted"}
    differences.report([], ["d-1"], NOW)
    assert accept(differences, "d-1") == {"d-1": "settled"}
