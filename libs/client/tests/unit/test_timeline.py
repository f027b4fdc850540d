"""The lines of a timeline: how far each event came, what was done with it by whom, and where it does not go on."""

import datetime
import io
from typing import Any

from rich.console import Console

from touchstone.cases.history import CaseHistory, Event, without_records
from touchstone.cases.timeline import Step, from_records, steps
from touchstone.cli.case_views import WIDTH, show_timeline
from touchstone.cli.render import Output

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
NOW = NOON + datetime.timedelta(minutes=5, seconds=1)
ACCEPTED = "assessment.audit_accepted.v1"


def later(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


def accepted(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "id": "e-1",
        "service": "assessment",
        "type": ACCEPTED,
        "at": NOON,
        "published_at": later(0.02),
        "trigger": "accept_audit_report",
        "by": "secretariat-1",
        "facts": {"accepted_by": "secretariat-1"},
    }
    return Event(**fields | changes)


def history(*events: Event, **known: Any) -> CaseHistory:
    consumers = {ACCEPTED: ["certification"]}
    return CaseHistory({event.id: event for event in events}, consumers=consumers, **known)


def letter(state: str, *actions: tuple[str, str, str]) -> dict[str, Any]:
    done = [
        {"action": action, "who": who, "why": why, "at": later(60 + number).isoformat(), "what": ""}
        for number, (action, who, why) in enumerate(actions)
    ]
    return {"service": "certification", "id": "d-1", "event_id": "e-1", "state": state, "actions": done}


def texts(found: list[Step], kind: str) -> list[str]:
    return [step.text for step in found if step.kind == kind]


def test_records_are_left_out_but_for_one_that_led_to_something_and_what_is_not_known_stays():
    recorded = accepted(id="r-1", service="certification", type="certification.case_recorded.v1", cause="e-1")
    cause = accepted(id="r-2", service="membership", type="membership.organisation_recorded.v1", foreign=True)
    unknown = accepted(id="u-1", type="assessment.audit_weighed.v1", cause="r-2")
    known = history(accepted(), recorded, cause, unknown)

    assert set(without_records(known).events) == {"e-1", "r-2", "u-1"}
    assert set(known.events) == {"e-1", "r-1", "r-2", "u-1"}


def test_a_processed_event_has_its_times_and_no_gap():
    row = {"service": "certification", "handler": "open_case", "at": later(0.1).isoformat(), "retries": 0}

    found = steps(history(accepted(), processed={"e-1": [row]}), NOW)

    assert [(step.kind, step.after_s) for step in found] == [("event", None), ("processed", 0.1)]
    assert found[0].published_after_s == 0.02
    assert found[0].text == "report accepted by secretariat-1 [accept audit report by secretariat-1]"


def test_retries_before_it_took_effect_are_counted():
    row = {"service": "certification", "handler": "open_case", "at": later(7).isoformat(), "retries": 2}

    found = steps(history(accepted(), processed={"e-1": [row]}), NOW)

    assert texts(found, "processed") == ["processed: open case, after 2 retries"]


def test_a_consumer_that_is_not_done_is_a_gap():
    found = steps(history(accepted()), NOW)

    assert texts(found, "gap") == ["not yet processed by certification, for 5 min"]


def test_an_event_that_the_broker_does_not_have_is_a_gap_of_its_producer_alone():
    found = steps(history(accepted(published_at=None, attempts=3, last_outcome="refused")), NOW)

    assert texts(found, "gap") == ["not yet published, for 5 min (try 4; the broker said: refused)"]


def test_a_parked_event_waits_for_a_person_and_says_its_dead_letter():
    parked = letter("parked", ("parked", "", "schema"))

    found = steps(history(accepted(), parked={"e-1": [parked]}), NOW)

    assert texts(found, "parked") == ["dead-lettered (schema): dead letter d-1"]
    assert texts(found, "gap") == ["waits for a person: touchstone dead-letters show"]


def test_a_second_copy_that_is_parked_stays_open_though_the_first_took_effect():
    parked = letter("parked", ("parked", "", "schema"))
    row = {"service": "certification", "handler": "open_case", "at": later(0.1).isoformat(), "retries": 0}

    found = steps(history(accepted(), parked={"e-1": [parked]}, processed={"e-1": [row]}), NOW)

    assert texts(found, "gap") == ["took effect all the same: its dead letter can be discarded"]


def test_a_replay_says_by_whom_and_why_and_is_a_gap_until_it_takes_effect():
    sent = letter("replayed", ("parked", "", "schema"), ("replayed", "operator-1", "mended in 0.1.1"))
    row = {"service": "certification", "handler": "open_case", "at": later(90).isoformat(), "retries": 0}

    waiting = steps(history(accepted(), parked={"e-1": [sent]}), NOW)
    done = steps(history(accepted(), parked={"e-1": [sent]}, processed={"e-1": [row]}), NOW)

    assert texts(waiting, "parked")[1] == "replayed by operator-1: mended in 0.1.1"
    assert texts(waiting, "gap") == ["not yet processed by certification, for 5 min"]
    assert texts(done, "gap") == [] and [step.kind for step in done][-1] == "processed"


def test_what_was_discarded_is_said_never_to_be_processed():
    gone = letter("discarded", ("parked", "", "schema"), ("discarded", "operator-1", "a test"))

    assert texts(steps(history(accepted(), parked={"e-1": [gone]}), NOW), "gap") == ["never processed: discarded"]


def test_an_event_of_another_case_is_named_and_not_followed():
    other = accepted(foreign=True, facts={"audit_id": "aud-2"})

    (step,) = steps(history(other), NOW)

    assert "of another case, aud-2" in step.text


def test_a_deadline_and_an_unknown_message_as_causes_are_put_into_words():
    found = steps(history(accepted(cause="case_review/aud-1"), accepted(id="e-2", cause="m-9")), NOW)

    causes = texts(found, "cause")
    assert causes[0] == "a deadline: case review of aud-1" and "m-9" in causes[1]


def test_what_is_older_than_the_outbox_remembers_comes_from_the_record():
    submission = {"submitted_at": NOON.isoformat(), "returned_at": None, "reasons": []}
    audit = {
        "report_id": "R-1",
        "history": None,
        "submissions": [submission],
        "accepted_at": later(60).isoformat(),
        "accepted_by": "secretariat-1",
        "plan_reviews": [],
    }
    found = {"audit": audit, "case": None, "certificate": None, "notices": []}

    nothing_left, one_left = from_records(found, history()), from_records(found, history(accepted()))

    assert [step.text.partition(" (")[0] for step in nothing_left] == [
        "report R-1 submitted",
        "report accepted by secretariat-1",
    ]
    assert [step.text.partition(" (")[0] for step in one_left] == ["report R-1 submitted"]


def test_lines_fit_120_columns_and_need_no_colour():
    stream = io.StringIO()
    output = Output(as_json=False)
    output.out = Console(file=stream, width=160, highlight=False)
    long = accepted(facts={"accepted_by": "somebody " * 40})

    show_timeline(output, steps(history(long), NOW))

    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert lines[0] == "2026-03-01 (UTC)" and lines[1].startswith("12:00:00.000")
    assert any("! not yet processed" in line for line in lines)
