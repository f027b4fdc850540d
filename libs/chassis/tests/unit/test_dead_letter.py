"""What is read of a message that was given up, and kept of it."""

import datetime
import decimal
import hashlib
import uuid
from typing import Any

import pytest

import touchstone_contracts.events.assessment
import touchstone_contracts.events.membership  # noqa: F401 - registers the types
from touchstone_chassis.consuming.retry import NOT_UNDERSTOOD
from touchstone_chassis.deadletters.letter import (
    BEGINNING_BYTES,
    OUTSIDERS_KEPT,
    PART_BYTES,
    READ_BYTES_MAX,
    DeadLetter,
    document_id,
    is_outsiders,
    is_personal,
    json_of,
    new_document,
    parked_again,
    split,
    storable,
)
from touchstone_chassis.deadletters.repository import DeadLetters

pytestmark = pytest.mark.usefixtures("fixed_time")

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
QUEUE = "toy.assessment.body_accredited.v1"
OURS = {
    "touchstone-reason": "schema",
    "touchstone-error": "fields: id",
    "touchstone-consumer": QUEUE,
    "touchstone-parked-at": "2026-03-01T11:00:00.123456+00:00",
    "touchstone-attempt": 2,
    "touchstone-tag": "t-1",
}


def given_up(body: bytes = b"{}", headers: Any = None, **properties: Any) -> DeadLetter:
    return DeadLetter(body, OURS if headers is None else headers, properties)


def test_our_headers_say_why_and_where_and_when():
    document = new_document(given_up(message_id="m-1"), "toy", NOW)

    assert (document["queue"], document["reason"], document["error"]) == (QUEUE, "schema", "fields: id")
    assert document["parked_at"].isoformat() == "2026-03-01T11:00:00.123000+00:00"
    assert (document["attempts"], document["headers"]) == (2, {})


def test_the_brokers_headers_say_it_where_there_are_none_of_ours():
    died = datetime.datetime(2026, 3, 1, 10)
    death = {"queue": QUEUE, "reason": "delivery_limit", "time": died, "exchange": "e", "routing-keys": ["r"]}

    document = new_document(given_up(headers={"x-death": [death], "traceparent": "t"}), "toy", NOW)

    assert (document["queue"], document["reason"]) == (QUEUE, "delivery_limit")
    assert (document["exchange"], document["routing_key"]) == ("e", "r")
    assert document["parked_at"] == died.replace(tzinfo=datetime.UTC)
    assert document["headers"] == {"traceparent": "t"}


def test_what_the_service_left_to_the_broker_was_too_large():
    headers = {"x-death": [{"queue": QUEUE, "reason": "rejected"}]}

    left, rejected = (DeadLetter(b"{}", headers, {}, too_large=too_large) for too_large in (True, False))

    assert (new_document(left, "toy", NOW)["reason"], new_document(left, "toy", NOW)["queue"]) == ("too_large", QUEUE)
    assert new_document(rejected, "toy", NOW)["reason"] == "rejected"


def test_what_came_back_from_a_retry_when_its_queue_was_gone_says_which_queue_that_was():
    death = {"queue": "toy.retry.30s.q2", "reason": "expired", "exchange": "toy.retry.30s.q2", "routing-keys": [QUEUE]}

    document = new_document(given_up(headers={"x-death": [death], "touchstone-attempt": 3}), "toy", NOW)

    assert (document["queue"], document["reason"], document["attempts"]) == (QUEUE, "queue_gone", 3)


def test_a_large_body_is_not_unpacked_to_look_what_event_it_is():
    body = b'{"id": "e-1", "padding": "%s"}'

    small, large = (new_document(given_up(body % (b"x" * size)), "toy", NOW) for size in (10, READ_BYTES_MAX))

    assert (small["event_id"], large["event_id"]) == ("e-1", None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-death": "nonsense"},
        {"x-death": []},
        {"x-death": [7]},
        {"x-death": [{"routing-keys": [], "time": "late", "queue": 5}]},
        {"touchstone-reason": 5, "touchstone-parked-at": "2999-01-01", "touchstone-attempt": True},
        {"touchstone-reason": "\0\ud800", "touchstone-parked-at": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_nonsense_in_headers_is_kept_all_the_same(headers: dict[str, Any]):
    document = new_document(given_up(headers=headers), "toy", NOW)

    assert document["reason"] and document["parked_at"] <= NOW
    assert document["attempts"] == 0


@pytest.mark.parametrize("body", [b"", b"\xff", b"[1]", b"null", b"[" * 100_000, b'{"id": 5, "type": null}'])
def test_a_body_that_is_no_event_has_no_facts(body: bytes):
    document = new_document(given_up(body), "toy", NOW)

    assert (document["event_id"], document["event_type"]) == (None, None)
    assert document["size"] == len(body)


def test_a_token_is_not_kept_however_its_header_is_written():
    document = new_document(given_up(headers=OURS | {"Authorization": "x", "nameko.authorization": "x"}), "toy", NOW)

    assert document["headers"] == {}


def test_a_replay_goes_to_no_other_queue_whatever_the_sender_wished():
    document = new_document(
        given_up(headers=OURS | {"CC": ["another.queue"], "bcc": ["x"], "cc-note": "kept"}), "toy", NOW
    )

    assert document["headers"] == {"cc-note": "kept"}


def test_the_same_message_has_the_same_document_and_another_parking_another_key():
    first, again = (given_up(headers=OURS | {"touchstone-tag": tag}, message_id="m-1") for tag in "ab")
    other_body = given_up(b"[]", message_id="m-1")

    assert document_id(first, QUEUE) == document_id(again, QUEUE) != document_id(other_body, QUEUE)
    assert document_id(first, QUEUE) != document_id(first, "toy.intake")
    assert first.parking_key != again.parking_key


def test_messages_without_an_id_are_told_apart_by_their_parking():
    first, other = (given_up(headers=OURS | {"touchstone-tag": uuid.uuid4().hex}) for _ in range(2))

    assert document_id(first, QUEUE) != document_id(other, QUEUE)


def test_a_message_that_is_parked_again_stays_longer_and_remembers():
    document = new_document(given_up(message_id="m-1"), "toy", NOW) | {"state": "replayed", "expires_at": NOW}

    again = parked_again(document, given_up(message_id="m-1"), NOW)

    assert again["state"] == "parked" and "expires_at" not in again
    assert (again["times"], again["keys"]) == (1, ["t-1"])
    assert again["actions"][-1]["action"] == "parked"


def test_the_type_or_the_queue_says_that_a_body_is_personal():
    contact = "membership.contact_changed.v1"

    assert is_personal("toy", None, contact) and is_personal("toy", f"toy.{contact}", None)
    assert not is_personal("toy", QUEUE, "assessment.body_accredited.v1")
    assert is_personal("toy", None, "membership.contact_changed.v9")


def test_a_large_body_is_split_and_a_small_one_is_not():
    assert split(b"") == [b""] and split(b"x") == [b"x"]
    assert [len(part) for part in split(b"x" * (PART_BYTES + 1))] == [PART_BYTES, 1]


def test_values_that_no_database_holds_become_text():
    value = {"a\0b": 2**70, "d": decimal.Decimal("1.5"), "s": "\ud800", "o": {1: memoryview(b"x")}, "l": (None, 1.5)}

    assert storable(value) == {"ab": str(2**70), "d": "1.5", "s": "?", "o": {"1": b"x"}, "l": [None, 1.5]}


def test_nesting_ends_somewhere():
    deep: Any = []
    for _ in range(500):
        deep = [deep]

    assert "[" in str(storable(deep)) and json_of(b"[]") == {}


class Stored:
    """Stands for a unit of work over one collection."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}

    def find_one(self, _collection: str, filter: dict[str, Any]) -> dict[str, Any] | None:
        return self.documents.get(filter["_id"])

    def save(self, _collection: str, document: dict[str, Any]) -> None:
        self.documents[document["_id"]] = document


@pytest.mark.parametrize(("state", "kept_again"), [("parked", False), ("discarded", False), ("replayed", True)])
def test_a_known_parking_is_kept_again_only_after_a_replay_which_may_have_been_lost(state: str, kept_again: bool):
    stored = Stored()
    letters = DeadLetters(stored, "toy", lambda _queue: True, 1000)  # type: ignore[arg-type]
    letters.keep(given_up(message_id="m-1"), NOW)
    (document,) = stored.documents.values()
    document["state"] = state

    assert letters.keep(given_up(message_id="m-1"), NOW) is kept_again
    assert [d["state"] for d in stored.documents.values()] == ["parked" if kept_again else state]


BAD = {NOT_UNDERSTOOD: True}
LONG = b"x" * (BEGINNING_BYTES + 1)


@pytest.mark.parametrize(
    ("queue", "more", "in_short"),
    [
        ("toy.intake", BAD, True),
        ("rpc-toy", BAD, True),
        ("toy.intake", {NOT_UNDERSTOOD: False}, False),
        ("toy.intake", {NOT_UNDERSTOOD: "yes"}, False),
        ("toy.intake", {}, False),
        (QUEUE, BAD, False),
        ("toy.scales.lot_weighed.v9", BAD, False),
        ("", BAD, False),
    ],
)
def test_only_what_is_no_command_for_a_queue_of_commands_is_kept_in_short_and_for_a_while(queue, more, in_short):
    stored = Stored()
    found = given_up(LONG, OURS | {"touchstone-consumer": queue} | more, message_id="m-1")

    DeadLetters(stored, "toy", lambda _queue: True, 1000).keep(found, NOW)  # type: ignore[arg-type]

    (document,) = stored.documents.values()
    assert len(document["body"]) == (BEGINNING_BYTES if in_short else len(LONG))
    assert document.get("expires_at") == (NOW + OUTSIDERS_KEPT if in_short else None)
    assert (document["size"], document["digest"]) == (len(LONG), hashlib.sha256(LONG).hexdigest())


@pytest.mark.parametrize(("queue", "in_short"), [("toy.intake", True), (QUEUE, False)])
def test_what_was_too_large_is_kept_in_short_where_anybody_may_have_sent_it(queue, in_short):
    moved = DeadLetter(LONG, {"x-death": [{"queue": queue, "reason": "rejected"}]}, {}, too_large=True)

    assert is_outsiders(moved, "toy") is in_short
