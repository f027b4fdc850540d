"""What an operator may do with a dead letter, what not, and what is on record afterwards."""

import datetime
import json
from importlib import resources
from typing import Any

import pytest

import touchstone_contracts.events.assessment
import touchstone_contracts.events.membership  # noqa: F401 - registers the types
from touchstone_chassis.deadletters.letter import DeadLetter, new_document
from touchstone_chassis.deadletters.replay import discarded, edited, obstacle_to_replay, replayed
from touchstone_chassis.observability.redaction import masked
from touchstone_contracts.errors import IllegalTransition, InvalidRequest

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
CONTACT = "membership.contact_changed.v1"
BY = {"who": "op-1", "why": "mended", "now": NOW}


def an_event(name: str = CONTACT) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(
        resources.files("touchstone_contracts").joinpath(f"examples/{name}.json").read_text()
    )
    return event


def a_document(body: Any = None, queue: str = f"toy.{CONTACT}", **changes: Any) -> dict[str, Any]:
    content = an_event() if body is None else body
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"touchstone-reason": "x", "touchstone-consumer": queue, "traceparent": "t"}
    properties = {"content_type": "application/cloudevents+json", "message_id": an_event()["id"]}
    document = new_document(DeadLetter(raw, headers, properties), "toy", NOW)
    return document | {"body": raw, "parts": 1, "current_digest": document["digest"]} | changes


def obstacle(document: dict[str, Any], *, consumed: bool = True, force: bool = False) -> str | None:
    found = obstacle_to_replay(document, "toy", NOW, consumed=consumed, body_bytes_max=100_000, force=force)
    return found[0] if found else None


LONG_AGO = NOW - datetime.timedelta(days=56)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"state": "replayed"}, "not_parked"),
        ({"state": "discarded"}, "not_parked"),
        ({"queue": "rpc-toy"}, "not_an_event"),
        ({"queue": "toy.intake"}, "not_an_event"),
        ({"queue": "toy.membership.contact_changed.v9"}, "unknown_version"),
        ({"queue": None}, "not_an_event"),
        ({"body": b"x" * 100_001}, "too_large"),
        ({"parts": 2}, "too_large"),
        ({"properties": {"message_id": "x" * 300}}, "unsendable"),
        ({"replays": 5}, "limit_reached"),
        ({"replays": 4}, None),
        ({"first_parked_at": LONG_AGO}, "too_old"),
    ],
)
def test_a_replay_has_its_obstacles(changes: dict[str, Any], code: str | None):
    assert obstacle(a_document(**changes)) == code


def test_force_overrides_number_and_age_and_nothing_else():
    assert obstacle(a_document(replays=9, first_parked_at=LONG_AGO), force=True) is None
    assert obstacle(a_document(queue="rpc-toy"), force=True) == "not_an_event"
    assert obstacle(a_document(), consumed=False, force=True) == "not_consumed"


def test_a_replay_sends_the_message_as_it_was_with_its_count():
    document = a_document()

    sent, row = replayed(document, NOW, **BY)

    assert (row["exchange"], row["routing_key"], row["body"]) == ("", f"toy.{CONTACT}", document["body"])
    assert row["properties"] == document["properties"]
    assert row["headers"] == {"traceparent": "t", "touchstone-replays": 1, "touchstone-dead-letter": document["_id"]}
    assert (sent["state"], sent["replays"]) == ("replayed", 1)
    assert sent["actions"][-1] == {"at": NOW, "action": "replayed", "who": "op-1", "why": "mended", "what": "replay 1"}


def test_contact_addresses_leave_with_the_replay_and_with_the_discarding():
    assert replayed(a_document(), NOW, **BY)[0]["body"] is None
    assert discarded(a_document(), **BY)["body"] is None


def test_what_holds_no_addresses_stays_to_be_looked_at():
    name = "assessment.body_accredited.v1"
    document = a_document(an_event(name), queue=f"toy.{name}")

    assert discarded(document, **BY)["body"] == document["body"]


def test_an_edit_puts_back_the_addresses_that_it_was_shown_masked():
    shown = masked(an_event())

    changed = edited(a_document(), json.dumps(shown), "toy", **BY)

    assert shown != an_event()
    assert json.loads(changed["edited_body"]) == an_event()


def test_an_edited_message_goes_out_as_an_event_of_its_type():
    document = a_document(b"\xff", properties={"content_type": "text/plain"}, headers={"compression": "gzip"})

    changed = edited(document | {"message_id": None}, json.dumps(an_event()), "toy", **BY)
    _, row = replayed(changed, NOW, **BY)

    assert row["properties"]["content_type"] == "application/cloudevents+json"
    assert row["properties"]["message_id"] == an_event()["id"]
    assert "compression" not in row["headers"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("no JSON", "body"),
        (json.dumps(an_event() | {"data": {f"k{number}": 1 for number in range(201)}}), "body"),
        (json.dumps(an_event()).replace('"data": {', '"data": {"x": 1, "\\u0078": 2, '), "body.data.x"),
        (json.dumps(an_event() | {"id": "another"}), "body.id"),
        (json.dumps(an_event() | {"data": {}}), "body."),
        (json.dumps(an_event("assessment.body_accredited.v1")), "body.type"),
    ],
)
def test_an_edit_must_make_an_event_of_the_queues_type_with_the_same_id(text: str, path: str):
    with pytest.raises(InvalidRequest) as refused:
        edited(a_document(), text, "toy", **BY)

    assert all(fault.path.startswith(path) for fault in refused.value.errors) and refused.value.errors


@pytest.mark.parametrize("changes", [{"state": "replayed"}, {"queue": "rpc-toy"}])
def test_only_parked_events_are_edited(changes: dict[str, Any]):
    with pytest.raises(IllegalTransition):
        edited(a_document(**changes), json.dumps(an_event()), "toy", **BY)
