"""A process that reconciles for ever: where each round begins, which old events it follows, and what it survives."""

import datetime
import json
from typing import Any

import pytest
import typer

from touchstone.cli import reconcile
from touchstone.cli.reconcile import Course, moment
from touchstone.reconciliation import round
from touchstone.reconciliation.ledger import Committed
from touchstone.reconciliation.round import Terms
from touchstone_contracts.errors import Unavailable

pytestmark = pytest.mark.usefixtures("fixed_time")

NOW = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
ACCEPTED = "assessment.audit_accepted.v1"


def an_event(id: str, age: datetime.timedelta) -> Committed:
    return Committed(id, ACCEPTED, f"aud-{id}", 1, NOW - age, NOW - age)


def test_a_process_that_goes_on_looks_two_hours_back_and_each_hour_a_day() -> None:
    course, begins = Course(NOW - datetime.timedelta(hours=1)), []

    for minute in (0, 10, 50, 69, 71, 72):
        now = NOW + datetime.timedelta(minutes=minute)
        course.goes_on(now, round.Round(course.begin))
        begins.append((now - course.begin).total_seconds() / 3600)

    assert begins == [24, 2, 2, 2, 24, 2]


def test_what_is_too_old_to_be_published_again_is_followed_no_more() -> None:
    course, done = Course(NOW), round.Round(NOW)
    done.unfinished = {e.id: e for e in (an_event("a", datetime.timedelta(54)), an_event("b", datetime.timedelta(56)))}

    course.goes_on(NOW, done)

    assert [event.id for event in course.carried] == ["a"]


def test_of_very_many_unfinished_events_the_oldest_is_where_the_next_round_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reconcile, "CARRIED_MAX", 1)
    course, done = Course(NOW), round.Round(NOW)
    done.unfinished = {e.id: e for e in (an_event("a", datetime.timedelta(3)), an_event("b", datetime.timedelta(4)))}

    course.goes_on(NOW, done)

    assert (course.begin, course.carried) == (NOW - datetime.timedelta(4), [])


@pytest.mark.parametrize(("text", "hours"), [("2h", 2), ("90m", 1.5), ("3d", 72), ("7200s", 2)])
def test_an_age_is_so_long_ago(text: str, hours: float) -> None:
    assert moment(text) == NOW - datetime.timedelta(hours=hours)


@pytest.mark.parametrize("text", ["2026-11-22T00:00:00Z", "2026-11-22", "2026-11-22T01:00:00+01:00"])
def test_a_day_begins_in_utc_and_a_time_says_its_zone(text: str) -> None:
    assert moment(text) == datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "text", ["soon", "2w", "999999999d", "", "2026-W47-7", "20261122", "2026-11-22T12:00:00", "2026-11-22 12:00:00Z"]
)
def test_what_is_no_moment_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        moment(text)


def test_a_service_that_is_away_ends_one_round_and_not_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begins: list[datetime.datetime] = []

    class Ended(Exception):
        """The test has seen enough."""

    def round_of(_ask: Any, since: datetime.datetime, _terms: Terms, _carried: Any) -> Any:
        begins.append(since)
        if len(begins) == 1:
            raise Unavailable("away")
        if len(begins) == 4:
            raise Ended
        return round.Round(since)

    monkeypatch.setattr(reconcile, "reconcile", round_of)
    with pytest.raises(Ended):
        reconcile.command(every=1, since="5d", as_json=True, given_uri="amqp://nobody", **_nobody())

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["not_reconciled", "reconciled", "reconciled"]
    assert lines[0]["error"] == "unavailable"
    assert begins[0] == begins[1] and begins[2] > begins[1] + datetime.timedelta(days=4)
    assert begins[2] == NOW - datetime.timedelta(hours=2)


def _nobody() -> dict[str, Any]:
    options = dict.fromkeys(("token", "key", "subject", "role", "cab", "member", "issuer"))
    return {
        **options,
        "timeout_s": 1.0,
        "mend": False,
        "rate": 50.0,
        "grace": 60.0,
        "overdue": 300,
    }
