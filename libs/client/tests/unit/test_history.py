"""The tree of what caused what: the same in any order of arrival, nothing left out, and no end without a loop."""

import datetime
import random
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from touchstone.cases.history import Event, Node, tree

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
IDS = "abcdefgh"


def event(id: str, cause: str | None = None, *, at_s: int = 0) -> Event:
    at = NOON + datetime.timedelta(seconds=at_s)
    return Event(id=id, service="assessment", type="assessment.audit_accepted.v1", at=at, cause=cause)


def shape(nodes: tuple[Node, ...]) -> list[tuple[str, list]]:
    return [(node.id, shape(node.children)) for node in nodes]


def every(nodes: tuple[Node, ...]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from every(node.children)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events with any causes at all: none, one another, themselves, or messages that nobody knows."""
    ids = draw(st.lists(st.sampled_from(IDS), unique=True, min_size=1))
    causes = st.none() | st.sampled_from([*IDS, "unknown-1", "unknown-2"])
    return [event(id, draw(causes), at_s=draw(st.integers(0, 5))) for id in ids]


def test_what_came_of_an_event_stands_below_it_earliest_first():
    events = [event("c", "a", at_s=9), event("a"), event("b", "a", at_s=3), event("d", "b", at_s=4)]

    assert shape(tree(events)) == [("a", [("b", [("d", [])]), ("c", [])])]


def test_a_cause_that_nobody_knows_is_shown_above_what_came_of_it():
    (root,) = tree([event("b", "gone", at_s=2), event("a", "gone", at_s=1)])

    assert (root.id, root.event, root.at) == ("gone", None, NOON + datetime.timedelta(seconds=1))
    assert [child.id for child in root.children] == ["a", "b"]


def test_events_that_cause_each_other_are_shown_and_marked():
    (root,) = tree([event("a", "b", at_s=1), event("b", "a", at_s=2)])

    assert root.loops and shape((root,)) == [("a", [("b", [])])]


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_makes_no_difference(events: list[Event], chance: random.Random):
    shuffled = list(events)
    chance.shuffle(shuffled)

    assert tree(shuffled) == tree(events)


@given(histories())
def test_every_event_stands_in_the_tree_exactly_once(events: list[Event]):
    shown = [node.event.id for node in every(tree(events)) if node.event]

    assert sorted(shown) == sorted(event.id for event in events)


@given(histories())
def test_an_event_stands_below_its_cause_unless_that_is_a_loop(events: list[Event]):
    nodes = list(every(tree(events)))
    parents = {child.id: node.id for node in nodes for child in node.children}

    for node in nodes:
        if node.event and node.event.cause and not node.loops:
            assert parents[node.id] == node.event.cause
    known = {event.id for event in events}
    missing = {event.cause for event in events if event.cause} - known
    assert {node.id for node in nodes if node.event is None} == missing
