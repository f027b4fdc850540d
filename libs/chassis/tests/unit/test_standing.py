"""A consumer is in step when it has handled as many events as a heartbeat counts, and knows since when it is not."""

import datetime

from touchstone_chassis.heartbeat.standing import Heartbeat, Standing, standings

BEGIN = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
ACCEPTED, RETURNED = "assessment.audit_accepted", "assessment.audit_report_returned"


def beat(after_s: int, **counts: int) -> Heartbeat:
    names = {"accepted": ACCEPTED, "returned": RETURNED}
    at = BEGIN + datetime.timedelta(seconds=after_s)
    return Heartbeat("assessment", at, {names[name]: count for name, count in counts.items()})


def at(after_s: int) -> datetime.datetime:
    return BEGIN + datetime.timedelta(seconds=after_s)


def a_standing() -> Standing:
    return Standing("assessment", [ACCEPTED])


def test_who_has_handled_as_many_is_in_step_at_the_moment_of_the_heartbeat() -> None:
    standing = a_standing()

    standing.look(beat(2, accepted=5), {ACCEPTED: 5})

    assert (standing.in_step_at, standing.behind_since, standing.lacking) == (at(2), None, {})


def test_an_event_that_nobody_here_handles_is_not_lacking() -> None:
    standing = a_standing()

    standing.look(beat(2, accepted=1, returned=9), {ACCEPTED: 1})

    assert standing.in_step_at == at(2)


def test_what_is_on_its_way_makes_nobody_late() -> None:
    standing = a_standing()
    standing.look(beat(2, accepted=5), {ACCEPTED: 5})

    standing.look(beat(4, accepted=7), {ACCEPTED: 6})

    assert (standing.in_step_at, standing.behind_since, standing.lacking) == (at(2), None, {ACCEPTED: 1})


def test_under_load_it_is_in_step_with_each_heartbeat_as_soon_as_that_is_reached() -> None:
    standing = a_standing()
    standing.look(beat(2, accepted=100), {ACCEPTED: 90})

    standing.look(beat(4, accepted=200), {ACCEPTED: 150})

    assert (standing.in_step_at, standing.behind_since, standing.lacking) == (at(2), None, {})


def test_who_does_not_reach_a_heartbeat_is_behind_since_that_one_until_it_does() -> None:
    standing = a_standing()
    for after_s in range(2, 22, 2):
        standing.look(beat(after_s, accepted=5 + after_s), {ACCEPTED: 5})

    behind = standing.behind_since, standing.lacking, standing.in_step_at
    standing.look(beat(24, accepted=50), {ACCEPTED: 50})

    assert behind == (at(2), {ACCEPTED: 2}, None)
    assert (standing.in_step_at, standing.behind_since, standing.lacking) == (at(24), None, {})


def test_it_is_in_step_until_a_heartbeat_is_not_reached_or_none_has_come_for_a_while() -> None:
    standing = a_standing()
    before = standing.is_in_step(at(2))
    standing.look(beat(2, accepted=5), {ACCEPTED: 5})

    reached = [standing.is_in_step(at(after_s)) for after_s in (2, 12, 13)]
    for after_s in range(4, 16, 2):
        standing.look(beat(after_s, accepted=6), {ACCEPTED: 5})

    assert (before, reached) == (False, [True, True, False])
    assert not standing.is_in_step(at(14))


def test_each_producer_is_compared_by_the_events_of_it_that_are_handled_here() -> None:
    found = standings([ACCEPTED, "membership.contact_changed", RETURNED])

    assert {producer: list(standing.names) for producer, standing in found.items()} == {
        "assessment": [ACCEPTED, RETURNED],
        "membership": ["membership.contact_changed"],
    }
