"""Whoever meets something unknown waits until it is known, or until it is certain that its owner had not told of it."""

import datetime
import time
from types import SimpleNamespace
from typing import Any

import pytest

from touchstone_chassis.heartbeat.heartbeats import CLOCKS_APART, Heartbeats
from touchstone_chassis.heartbeat.standing import Standing

NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture
def beats() -> Any:
    beats = Heartbeats()
    beats.resources = SimpleNamespace(time=SimpleNamespace(now=lambda: NOW))  # type: ignore[assignment]
    beats.standings = {"membership": Standing("membership", ["membership.entity_recorded"])}
    beats.settled = {"membership"}
    return beats


def in_step(beats: Any, at: datetime.datetime) -> None:
    beats.standings["membership"].in_step_at = at


def test_all_is_handled_once_a_heartbeat_of_after_that_moment_is_reached(beats: Any) -> None:
    assert not beats.has_handled("membership", NOW)
    in_step(beats, NOW + CLOCKS_APART / 2)
    assert not beats.has_handled("membership", NOW)
    in_step(beats, NOW + CLOCKS_APART)
    assert beats.has_handled("membership", NOW)


def test_nothing_is_certain_while_not_all_is_counted(beats: Any) -> None:
    in_step(beats, NOW + datetime.timedelta(hours=1))
    beats.settled = set()

    assert not beats.has_handled("membership", NOW)


def test_it_waits_until_it_is_known(beats: Any) -> None:
    answers = iter([False, False, True])

    beats.wait_for("membership", lambda: next(answers), within_s=30)

    assert next(answers, None) is None


def test_it_waits_no_longer_once_all_is_handled(beats: Any) -> None:
    asked: list[bool] = []

    def ask() -> bool:
        asked.append(True)
        if len(asked) == 2:
            in_step(beats, NOW + CLOCKS_APART)
        return False

    beats.wait_for("membership", ask, within_s=30)

    assert len(asked) == 2


def test_it_does_not_wait_for_ever(beats: Any) -> None:
    begun = time.monotonic()

    beats.wait_for("membership", lambda: False, within_s=0.3)

    assert time.monotonic() - begun >= 0.3
