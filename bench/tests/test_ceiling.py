"""When the ceiling acknowledges: never before every event of a group, and of all groups before it, is confirmed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "peers" / "ceiling"))

from window import Group, Window


def group(last: int, events: int) -> Group:
    return Group(last, [b"{}"] * events, [])


@pytest.fixture
def window() -> Window:
    """Two groups: events 1 to 3, and 4 to 5."""
    made = Window()
    made.announced(group(10, events=3))
    made.announced(group(20, events=2))
    return made


def finished(window: Window) -> list[int]:
    return [group.last for group in window.finished()]


def test_nothing_is_finished_before_its_last_confirm(window: Window) -> None:
    for tag in (3, 1):
        window.confirmed(tag, multiple=False)

    assert finished(window) == []


def test_a_group_is_finished_once(window: Window) -> None:
    window.confirmed(3, multiple=True)

    assert finished(window) == [10]
    assert finished(window) == []


def test_a_later_group_waits_for_the_one_before_it(window: Window) -> None:
    for tag in (5, 4, 1, 2):
        window.confirmed(tag, multiple=False)
    before = finished(window)

    window.confirmed(3, multiple=False)

    assert (before, finished(window)) == ([], [10, 20])


def test_one_confirm_for_many_finishes_all_up_to_it(window: Window) -> None:
    window.confirmed(5, multiple=True)

    assert finished(window) == [10, 20]


def test_a_confirm_that_comes_twice_does_no_harm(window: Window) -> None:
    window.confirmed(2, multiple=True)
    window.confirmed(2, multiple=False)
    window.confirmed(1, multiple=True)

    assert finished(window) == []


def test_a_group_without_events_is_finished_at_once_unless_others_are_before_it(window: Window) -> None:
    alone = Window()
    alone.announced(group(7, events=0))
    window.announced(group(30, events=0))

    assert finished(alone) == [7]
    assert finished(window) == []

    window.confirmed(5, multiple=True)

    assert finished(window) == [10, 20, 30]
