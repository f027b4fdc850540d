"""Whoever follows a case finds events by cause, subject and age, when they were processed, and what holds them up."""

import datetime
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_chassis.history.api import HistoryApi
from touchstone_chassis.scheduling.job_queue import Job
from touchstone_chassis.unit_of_work.transaction import CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.roles import OPERATOR, SECRETARIAT
from touchstone_devkit.eventually import eventually

DAY = datetime.date(2026, 1, 1)
REGISTERED = "membership.organisation_registered.v1"


@pytest.fixture
def inherited() -> tuple[type, ...]:
    return (HistoryApi, DeadLetterApi)


@pytest.fixture
def ask(bus: Any, issuer: Any) -> Callable[..., Any]:
    """Calls a method as the operator: its result, or the error."""

    def ask(method: str, **kwargs: Any) -> Any:
        reply = bus.call(method, issuer.token(OPERATOR), **kwargs)
        return reply["error"] or reply["result"]

    return ask


def an_accreditation(body_id: str, **changes: Any) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1") | changes


def handled(bus: Any, ask: Callable[..., Any], body_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An event that the toy handled, and the one that came of it, once that is published."""
    cause = an_accreditation(body_id)
    bus.publish_event(cause)

    def led_to() -> dict[str, Any] | None:
        items = ask("find_events", caused_by=[cause["id"]])["items"]
        return items[0] if items and items[0]["published_at"] else None

    return cause, eventually(led_to, within_s=15)


def test_what_an_event_led_to_is_found_by_its_cause_its_subject_and_its_id(bus, ask):
    cause, effect = handled(bus, ask, "b-1")

    by_subject = ask("find_events", subjects=["b-1", "b-2"])["items"]
    by_id = ask("find_events", ids=[effect["id"]])["items"]

    assert (effect["type"], effect["subject"], effect["causation_id"]) == (REGISTERED, "b-1", cause["id"])
    assert (effect["trigger"], effect["by"], effect["correlation_id"]) == ("name_body", "", "cor-1")
    assert effect["facts"] == {"member_id": "b-1"}
    assert by_subject == by_id == [effect]


def test_an_event_says_which_command_of_whom_announced_it(bus, ask, issuer):
    bus.call("name_thing", issuer.token(SECRETARIAT), id="t-1", label="l", idempotency_key="k-1")

    (found,) = ask("find_events", subjects=["t-1"])["items"]

    assert (found["trigger"], found["by"], found["causation_id"]) == (
        "name_thing",
        "secretariat-1 (secretariat, tests)",
        None,
    )


def test_all_events_since_a_moment_come_page_by_page_and_without_their_facts(bus, ask):
    begun = datetime.datetime.now(datetime.UTC).isoformat()
    ids = [handled(bus, ask, f"b-{number}")[1]["id"] for number in range(3)]

    first = ask("find_events", since=begun, types=[REGISTERED], limit=2)
    second = ask("find_events", since=begun, types=[REGISTERED], limit=2, after=first["next"])

    assert [item["id"] for item in first["items"] + second["items"]] == ids
    assert second["next"] is None and first["items"][0]["facts"] == {}
    assert ask("find_events", since=begun, types=["other.v1"])["items"] == []


def test_when_each_handler_processed_an_event_is_known_with_its_retries(bus, ask, behaviour):
    failed: list[int] = []

    def fail_once() -> None:
        if not failed:
            failed.append(1)
            raise ValueError("once")

    behaviour["b-9"] = fail_once
    cause, _ = handled(bus, ask, "b-9")

    found = ask("trace_events", ids=[cause["id"], "unknown"])

    (row,) = found["processed"]
    assert (row["event_id"], row["handler"], row["retries"]) == (cause["id"], "name_body", 1)
    assert found["consumes"] == [BodyAccredited.type_name] and found["dead_letters"] == []


def test_a_parked_event_is_traced_and_hinders_until_it_is_discarded(bus, ask, issuer):
    event = an_accreditation("b-3")
    event["data"] = {"body_id": "b-3 of rosa@example.org", "name": "B", "audit_id": "aud-1", "valid_from": "yesterday"}
    bus.put(
        f"toy.{BodyAccredited.type_name}",
        json.dumps(event).encode(),
        content_type="application/cloudevents+json",
        message_id=event["id"],
    )

    (parked,) = eventually(lambda: ask("list_hindrances")["parked"], within_s=15)
    bus.call("discard_dead_letters", issuer.token(OPERATOR), ids=[parked["id"]], why="a test", idempotency_key="k-2")
    (letter,) = ask("trace_events", ids=[event["id"]])["dead_letters"]

    assert (parked["event_id"], parked["reason"], parked["obstacle"]) == (event["id"], "schema", None)
    assert parked["facts"] == {"body_id": "b-3 of r•••@example.org"}  # what its class calls public, and no more
    assert (letter["state"], [entry["action"] for entry in letter["actions"]]) == ("discarded", ["parked", "discarded"])
    assert letter["actions"][1]["why"] == "a test"
    assert ask("list_hindrances")["parked"] == []


def test_a_parked_message_says_why_it_can_never_be_replayed(bus, ask):
    bus.put("rpc-toy", b'{"args": [], "kwargs": {}}', content_type="application/json", message_id="call-1")

    (parked,) = eventually(lambda: ask("list_hindrances")["parked"], within_s=15)

    assert (parked["queue"], parked["obstacle"]["code"]) == ("rpc-toy", "not_an_event")


def test_an_event_that_the_broker_does_not_take_hinders_and_says_why(bus, ask, database):
    before = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=3)
    body = json.dumps({"data": {"member_id": "m-2", "legal_name": "M"}}).encode()
    database["outbox"].insert_one(
        {
            "_id": "row-1",
            "exchange": "nowhere.events",
            "routing_key": "x.v1",
            "type": REGISTERED,
            "subject": "s-1",
            "body": body,
            "personal": False,
            "pending": True,
            "attempts": 4,
            "last_outcome": "refused",
            "recorded_at": before,
            "correlation_id": "c",
            "causation_id": None,
            "next_attempt_at": datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5),
        }
    )

    (found,) = ask("list_hindrances")["unpublished"]

    assert (found["id"], found["attempts"], found["last_outcome"]) == ("row-1", 4, "refused")
    assert found["facts"] == {"member_id": "m-2"}


def test_a_deadline_that_fails_hinders_and_one_that_is_not_due_does_not(bus, ask, issuer, behaviour, database):
    def fail() -> None:
        raise ValueError("always")

    behaviour |= {f"d-1#{attempt}": fail for attempt in range(1, 20)}
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    common = {"payload": {}, "attempt": 0, "claimed_until": None, "claim": None}
    database["deadlines"].insert_one(
        {"_id": "reminder/d-2", "kind": "reminder", "key": "d-2", "due_at": later} | common
    )
    bus.call("remind", issuer.token(SECRETARIAT), id="d-1", idempotency_key="k-3")

    (found,) = eventually(lambda: ask("list_hindrances")["deadlines"], within_s=20)

    assert (found["kind"], found["key"]) == ("reminder", "d-1")
    assert found["attempt"] >= 2


def test_an_event_that_a_deadline_led_to_names_the_message_that_set_the_deadline(resources):
    set_by_event = Job("k", "x", {}, resources.clock.now(), 1, "c", "k/x", "cor-1", "e-1")
    set_by_nothing = Job("k", "x", {}, resources.clock.now(), 1, "c", "k/x")

    assert (set_by_event.origin.causation_id, set_by_event.origin.correlation_id) == ("e-1", "cor-1")
    assert set_by_event.origin.trigger == "k/x"
    assert (set_by_nothing.origin.causation_id, set_by_nothing.origin.correlation_id) == ("k/x", "k/x")


def test_a_deadline_remembers_which_message_set_it(resources, database):
    unit = resources.unit()
    unit.schedule("nobody_runs_this", "x", resources.clock.now())
    resources.committer.commit(unit, Origin("cor-1", "e-1"), CompletionRecord())

    kept = database["deadlines"].find_one({"_id": "nobody_runs_this/x"})

    assert (kept["correlation_id"], kept["causation_id"]) == ("cor-1", "e-1")


@pytest.mark.parametrize("arguments", [{}, {"ids": ["a"], "subjects": ["b"]}, {"ids": []}, {"since": "yesterday"}])
def test_a_question_that_selects_nothing_or_too_much_is_refused(ask, arguments):
    assert ask("find_events", **arguments)["code"] == "invalid_request"
