"""The domain's clock: real time, except where a sandbox has moved it."""

import datetime

import pytest

from touchstone_chassis.mongo.clock import (
    CACHED_S,
    OFFSET_S_MAX,
    ClockNotMovable,
    MovableClock,
    SystemClock,
    clock_for,
    database_prefix,
    move,
)
from touchstone_testing.clock_guard import FixedTime

pytestmark = pytest.mark.usefixtures("fixed_time")

YEAR_S = 365 * 24 * 3600.0

YEAR = datetime.timedelta(seconds=YEAR_S)


def test_the_system_clock_is_aware_and_in_utc(fixed_time: FixedTime) -> None:
    now = SystemClock().now()

    assert now == fixed_time.now
    assert now.utcoffset() == datetime.timedelta()


def test_a_moved_clock_is_ahead_by_its_offset(fixed_time: FixedTime) -> None:
    clock = MovableClock(lambda: YEAR_S)

    assert clock.now() == fixed_time.now + YEAR
    assert clock.today() == clock.now().date()


def test_a_moved_clock_follows_within_its_cache_time_and_asks_no_more_often(fixed_time: FixedTime) -> None:
    offsets, elapsed_s = [0.0, YEAR_S], [0.0]
    clock = MovableClock(lambda: offsets.pop(0), monotonic=lambda: elapsed_s[0])

    first = clock.now()
    elapsed_s[0] = CACHED_S - 0.01
    cached = clock.now()
    elapsed_s[0] = CACHED_S
    moved = clock.now()

    assert first == cached == fixed_time.now
    assert moved == fixed_time.now + YEAR
    assert offsets == []


def test_outside_a_sandbox_nothing_stored_is_even_read() -> None:
    clock = clock_for({"sandbox": False, "database": "touchstone_certification"}, client=None)  # type: ignore[arg-type]

    assert isinstance(clock, SystemClock)


def test_outside_a_sandbox_the_clock_cannot_be_moved() -> None:
    with pytest.raises(ClockNotMovable):
        move("mongodb://127.0.0.1:1", "touchstone", 1.0, sandbox=False)


@pytest.mark.parametrize("offset_s", [float("nan"), float("inf"), OFFSET_S_MAX * 2, True, "1"])
def test_an_offset_must_be_a_time_that_dates_can_hold(offset_s: float) -> None:
    with pytest.raises(ClockNotMovable):
        move("mongodb://127.0.0.1:1", "touchstone", offset_s, sandbox=True)


def test_databases_of_one_installation_share_what_stands_before_the_service() -> None:
    assert database_prefix("touchstone_certification") == "touchstone"
    assert database_prefix("my_own_membership") == "my_own"
