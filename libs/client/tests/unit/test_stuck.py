"""Unfinished cases: one line each, the most urgent thing first, whoever said it; and what a silent service costs."""

import datetime
from typing import Any

import pytest

from touchstone.cases.stuck import Line, one_for_each_case, stuck_messages, unfinished
from touchstone.rpc.client import Client, NoAnswer
from touchstone.rpc.fan_out import FanOut

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
AGO = "2026-03-01T11:57:00Z"
ROW = {"type": "assessment.audit_accepted.v1", "subject": "aud-1", "facts": {"audit_id": "aud-1"}}
NOTHING: dict[str, Any] = {"unpublished": [], "parked": [], "deadlines": [], "more": False}


def line(case: str | None, waits_for: str, who: str | None, *, minutes: int = 1) -> Line:
    since = NOW - datetime.timedelta(minutes=minutes)
    return Line(case=case, service="certification", state="held", since=since, waits_for=waits_for, who=who)


def test_a_case_has_one_line_and_what_is_urgent_comes_first():
    (merged,) = one_for_each_case(
        [line("a", "a plan", None), line("a", "a review", "Secretariat"), line("a", "a replay", "operator")]
    )

    assert (merged.waits_for, merged.who, merged.also) == ("a replay", "operator", ("a review", "a plan"))


def test_who_waits_longest_stands_first_and_what_ends_by_itself_last():
    found = one_for_each_case(
        [line("a", "x", None, minutes=99), line("b", "x", "registrar"), line("c", "x", "registrar", minutes=5)]
    )

    assert [one.case for one in found] == ["c", "b", "a"]


def test_what_belongs_to_no_case_is_not_merged():
    assert len(one_for_each_case([line(None, "x", "operator"), line(None, "y", "operator")])) == 2


def test_an_unconfirmed_event_says_for_how_long_and_what_the_broker_said():
    row = ROW | {"recorded_at": AGO, "attempts": 3, "last_outcome": "refused"}

    (found,) = stuck_messages("assessment", NOTHING | {"unpublished": [row]}, NOW)

    assert (found.case, found.who) == ("aud-1", "operator")
    assert found.waits_for == ("the broker to confirm assessment.audit_accepted.v1, for 3 min; it said refused, try 4")


def test_a_parked_event_names_its_dead_letter_and_its_case():
    letter = {"id": "d-1", "event_type": "x.v1", "reason": "schema", "parked_at": AGO, "facts": {"audit_id": "aud-1"}}

    (found,) = stuck_messages("certification", NOTHING | {"parked": [letter]}, NOW)

    assert found.case == "aud-1" and "dead letter d-1 (schema)" in found.waits_for


@pytest.mark.parametrize(
    ("reason", "obstacle", "said"),
    [
        ("schema", None, "somebody who mends and replays x.v1: dead letter d-1 (schema)"),
        (
            "unknown_method",
            {"code": "not_an_event", "message": "Only events are replayed."},
            "somebody who discards x.v1: dead letter d-1 (unknown_method). Only events are replayed.",
        ),
        (
            "schema",
            {"code": "not_consumed", "message": "Not any more."},
            "somebody who discards x.v1: dead letter d-1 (schema). Not any more.",
        ),
        (
            "schema",
            {"code": "unknown_version", "message": "Not known."},
            "a release that knows x.v1, and then a replay: dead letter d-1 (schema)",
        ),
        (
            "forged",
            None,
            "somebody who finds out who published x.v1, and discards it if its producer did not: "
            "dead letter d-1 (forged)",
        ),
    ],
)
def test_nothing_is_said_of_a_parked_message_that_cannot_be_done(reason: str, obstacle: Any, said: str):
    letter = {"id": "d-1", "event_type": "x.v1", "reason": reason, "parked_at": AGO, "facts": {}, "obstacle": obstacle}

    (found,) = stuck_messages("certification", NOTHING | {"parked": [letter]}, NOW)

    assert found.waits_for == said


def test_a_deadline_that_fails_and_one_that_nobody_runs_are_told_apart():
    late = {"kind": "plan_due", "key": "aud-1", "due_at": AGO, "claimed_until": None, "case": "aud-1", "attempt": 0}
    failing = late | {"attempt": 4, "claimed_until": "2026-03-01T12:08:00Z"}

    overdue, fails = stuck_messages("certification", NOTHING | {"deadlines": [late, failing]}, NOW)

    assert overdue.state == "job overdue"
    assert fails.waits_for == "its job plan due of aud-1, which failed 3 times, next at 2026-03-01 12:08:00"


def test_more_than_is_shown_is_said():
    (found,) = stuck_messages("certification", NOTHING | {"more": True}, NOW)

    assert found.state == "more"


class TableClient(Client):
    """Assessment announced two events; certification, if it answers, processed the first of them."""

    def __init__(self, *, certification_answers: bool = True, parked: list[dict[str, Any]] | None = None):
        super().__init__("amqp://guest:guest@broker/")
        self._parked = parked or []
        self._answers = certification_answers
        self.letter: dict[str, Any] = {}
        self.asked: list[str] = []

    def call(self, service: str, method: str, /, **arguments: Any) -> Any:
        self.asked.append(f"{service}.{method}")
        if service == "certification" and not self._answers:
            raise NoAnswer("certification did not answer", "key")
        if method == "list_unfinished":
            return {"items": [], "next": None}
        if method == "list_hindrances":
            return NOTHING | ({"parked": self._parked} if service == "certification" else {})
        if method == "trace_events":
            return self._trace(service, arguments["ids"])
        found = [ROW | {"id": id, "published_at": AGO, "recorded_at": AGO} for id in ("e-1", "e-2")]
        wanted = arguments.get("ids", ["e-1", "e-2"])
        own = [item for item in found if item["id"] in wanted] if service == "assessment" else []
        return {"items": own, "next": None}

    def _trace(self, service: str, ids: list[str]) -> dict[str, Any]:
        consumes = [ROW["type"]] if service == "certification" else []
        processed = [{"event_id": id} for id in ids if id == "e-1" and consumes]
        given_up = [
            {"state": "parked"} | self.letter | {"event_id": letter["event_id"]} for letter in self._parked if consumes
        ]
        return {"consumes": consumes, "processed": processed, "dead_letters": given_up}


def test_an_event_that_its_consumer_did_not_process_is_found():
    (found,) = unfinished(FanOut(TableClient()), NOW, datetime.timedelta(days=7))

    assert (found.case, found.service, found.state) == ("aud-1", "certification", "event not processed")
    assert "published 3 min ago" in found.waits_for


def test_a_parked_body_that_cannot_be_read_is_known_from_its_producer():
    letter = {"id": "d-1", "event_id": "e-2", "event_type": None, "reason": "headers", "parked_at": AGO, "facts": {}}

    found = unfinished(FanOut(TableClient(parked=[letter])), NOW, datetime.timedelta(days=7))

    assert [(line.case, line.state) for line in found] == [("aud-1", "event parked")]


@pytest.mark.parametrize(
    ("state", "replaying", "lost"),
    [("parked", False, 0), ("discarded", False, 0), ("replayed", True, 0), ("replayed", False, 1)],
)
def test_a_dead_letter_that_went_out_again_is_no_proof_that_its_event_was_processed(
    state: str, replaying: bool, lost: int
):
    letter = {"id": "d-1", "event_id": "e-2", "event_type": None, "reason": "x", "parked_at": AGO, "facts": {}}
    client = TableClient(parked=[letter])
    client.letter = {"state": state, "replaying": replaying}

    found = unfinished(FanOut(client), NOW, datetime.timedelta(days=7))

    named = [entry.waits_for for entry in found] + [text for entry in found for text in entry.also]
    assert len([text for text in named if "it is in a queue, in a retry, or lost" in text]) == lost


def test_a_silent_service_is_asked_once_and_said_and_accused_of_nothing_else():
    client = TableClient(certification_answers=False)

    (found,) = unfinished(FanOut(client), NOW, datetime.timedelta(days=7))

    assert (found.state, found.service, found.case) == ("no answer", "certification", None)
    assert len([name for name in client.asked if name.startswith("certification.")]) == 1
