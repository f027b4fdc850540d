"""What the services ask their databases costs the same after years: each query is seen, explained, and has its index.

One system is taken through everything that happens in it while MongoDB's profiler notes what is asked. What differs but
in values is one shape. Each is explained on databases that have grown. An index that is taken away is missed.
"""

import re
from collections.abc import Iterator

import pytest
from planning import indexes
from planning.allowed import ALLOWED, KEPT_ANYWAY, PROBLEMS
from planning.entrances import entrypoints
from planning.evidence import Evidence, gathered
from planning.filling import BOUNDED, COPIES, REGIMES
from planning.judging import SCAN, SORT, WASTE, findings
from planning.recording import NotUnderstood, Shape, shape_of, shapes_of

from touchstone_contracts import bookkeeping
from touchstone_contracts.topology import Index
from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.system.runner import SERVICES, System

BOOKS = {bookkeeping.STARTS, bookkeeping.LEASES, bookkeeping.RESTORES} | {
    index.collection for index in bookkeeping.BOOKKEEPING_INDEXES
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def evidence(backing: Backing) -> Iterator[Evidence]:
    with System(backing=backing, sandbox=True) as system, gathered(system) as evidence:
        yield evidence


def test_every_entrypoint_of_every_service_has_worked(evidence: Evidence) -> None:
    existing = set(entrypoints())

    assert {name.partition(".")[0] for name in existing} == set(SERVICES) and len(existing) > 100
    assert sorted(existing - evidence.worked) == []


def test_every_service_was_seen_asking_and_all_that_is_asked_has_grown(evidence: Evidence) -> None:
    asked = {f"{shape.service}.{shape.collection}" for shape in evidence.shapes.values()}

    assert {shape.service for shape in evidence.shapes.values()} == set(SERVICES) and len(evidence.shapes) > 200
    assert {name.partition(".")[2] for name in asked} >= BOOKS
    small = {name for name in asked if evidence.sizes.get(name, 0) < COPIES}
    assert {name.partition(".")[2] for name in small} <= set(BOUNDED)


def test_no_query_costs_more_for_what_came_before(evidence: Evidence) -> None:
    left = sorted(str(finding) for finding in evidence.usual if not any(allowed.covers(finding) for allowed in ALLOWED))
    assert left == [], "\n".join(left)


def test_what_is_allowed_is_still_needed(evidence: Evidence) -> None:
    constant = [allowed for allowed in ALLOWED if not allowed.sometimes]
    assert [allowed for allowed in constant if not any(map(allowed.covers, evidence.usual))] == []
    assert [a for a in ALLOWED if not any(re.fullmatch(a.shape, name) for name in evidence.shapes)] == []
    assert all(allowed.problem in PROBLEMS and allowed.why.endswith(".") for allowed in ALLOWED)


@pytest.mark.long
def test_each_index_that_is_taken_away_is_missed(evidence: Evidence) -> None:
    missed: dict[tuple[str, str], bool] = {}
    for service, declared in indexes.declared().items():
        for index in declared:
            place = f"{service}.{index.collection}" if index.collection in _own(service, declared) else index.collection
            if not missed.get((place, index.name)):
                missed[place, index.name] = bool(indexes.missed(evidence, service, index))

    unneeded = {f"{place}.{name}" for (place, name), is_missed in missed.items() if not is_missed}
    assert unneeded == set(KEPT_ANYWAY)


def test_a_query_without_its_index_is_told_of_as_such(evidence: Evidence) -> None:
    database = evidence.grown["certification", REGIMES[0]]
    by_audit = {"find": "plan_reviews", "filter": {"audit_id": "somebody's"}}
    shape = Shape("certification", "plan_reviews", "find {audit_id: text} whole", (by_audit,))
    index = Index(collection="plan_reviews", keys=[("audit_id", 1)])

    before = findings(database, shape)
    with indexes.without(database, index):
        without = findings(database, shape)
    after = findings(database, shape)

    assert before == after == []
    assert {finding.problem for finding in without} == {SCAN, WASTE}


def test_a_sort_in_memory_and_a_list_without_an_end_are_told_of(evidence: Evidence) -> None:
    database = evidence.grown["certification", REGIMES[0]]
    sorted_by_nothing = {"find": "cases", "filter": {"_id": {"$gt": ""}}, "sort": {"since": 1}}
    shape = Shape("certification", "cases", "find {_id: {$gt: text}} by since whole", (sorted_by_nothing,))

    problems = {finding.problem for finding in findings(database, shape)}

    assert {SORT, "without a limit"} <= problems


@pytest.mark.parametrize(
    ("noted", "text"),
    [
        (
            {"op": "query", "command": {"find": "a", "filter": {"x": 1, "b": [{"c": None}]}}},
            "find {b: [{c: None}], x: number} whole",
        ),
        (
            {"op": "update", "command": {"q": {"_id": "x"}, "u": {"$set": {}}, "multi": True}},
            "update {_id: text} in all",
        ),
        ({"op": "remove", "command": {"q": {"_id": "x"}, "limit": 1}}, "remove {_id: text}"),
        (
            {"op": "command", "command": {"findAndModify": "a", "query": {}, "sort": {"d": -1}}},
            "findAndModify {} by -d",
        ),
    ],
)
def test_a_command_is_known_by_its_shape(noted: dict, text: str) -> None:
    shape = shape_of("certification", {"ns": "prefix_certification.a", **noted})

    assert shape and (shape.text, shape.collection) == (text, "a")


def test_what_one_command_asks_of_several_collections_is_a_shape_of_each() -> None:
    inner = {"coll": "b", "pipeline": [{"$match": {"_id": "x"}}]}
    command = {"aggregate": "a", "pipeline": [{"$match": {"c": "y"}}, {"$limit": 2}, {"$unionWith": inner}]}

    shapes = shapes_of("certification", {"ns": "prefix_certification.a", "op": "command", "command": command})

    assert [shape.name for shape in shapes] == [
        "certification.a aggregate [{$match: {c: text}}, {$limit: number}]",
        "certification.b aggregate [{$match: {_id: text}}]",
    ]
    assert shapes[1].commands == ({"aggregate": "b", "pipeline": inner["pipeline"], "cursor": {}},)


def test_what_cannot_be_explained_is_not_left_out_in_silence() -> None:
    with pytest.raises(NotUnderstood):
        shape_of("certification", {"ns": "x.a", "op": "command", "command": {"mapReduce": "a"}})
    with pytest.raises(NotUnderstood):
        shape_of("certification", {"ns": "x.a", "op": "query", "command": {"$truncated": "..."}})
    assert shape_of("certification", {"ns": "x.a", "op": "insert", "command": {"insert": "a"}}) is None


def _own(service: str, declared: list[Index]) -> set[str]:
    """Collections of the service that no other service has."""
    others = {i.collection for name, found in indexes.declared().items() if name != service for i in found}
    return {index.collection for index in declared} - (others - {"contacts"})
