"""Events: handled once, announced after the commit, retried, dead-lettered with a reason."""

import datetime
import gzip
import json
import uuid
from typing import Any

import eventlet
import pytest
from pymongo.errors import AutoReconnect

from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_contracts.envelope import wrap
from touchstone_contracts.errors import NotFound
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.topology import event_queue, retry_queue
from touchstone_devkit.eventually import eventually

DAY = datetime.date(2026, 1, 1)
QUEUE = event_queue("toy", BodyAccredited.type_name)
HEARD = "listener.membership.organisation_registered.v1"


def an_accreditation(body_id: str, **changes: Any) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1") | changes


def test_an_event_changes_the_aggregate_and_announces_it(bus, database):
    bus.publish_event(an_accreditation("b-1"))

    _, heard = eventually(lambda: bus.take(HEARD))

    message = json.loads(heard)
    assert message["subject"] == "b-1" and message["sequence"] == 1
    assert message["correlationid"] == "cor-1"
    assert database["things"].find_one({"_id": "b-1"})["version"] == 1


def test_an_announcement_names_the_event_that_led_to_it(bus):
    cause = an_accreditation("b-1")
    bus.publish_event(cause)

    properties, heard = eventually(lambda: bus.take(HEARD))

    assert json.loads(heard)["causationid"] == cause["id"]
    assert properties.message_id == json.loads(heard)["id"]
    assert properties.delivery_mode == 2


def test_the_same_event_twice_takes_effect_once(bus, database):
    event = an_accreditation("b-1")
    bus.publish_event(event)
    eventually(lambda: bus.take(HEARD))

    bus.publish_event(event)
    bus.publish_event(an_accreditation("b-2"))

    eventually(lambda: database["things"].find_one({"_id": "b-2"}))
    eventually(lambda: bus.count(QUEUE) == 0)
    assert database["things"].find_one({"_id": "b-1"})["count"] == 1


def test_many_events_for_one_aggregate_all_count_in_spite_of_clashes(bus, database, runs):
    for _ in range(10):
        bus.publish_event(an_accreditation("b-1"))

    eventually(lambda: (database["things"].find_one({"_id": "b-1"}) or {}).get("count") == 10, within_s=30)
    assert len(runs) >= 10


def test_a_handler_that_fails_once_is_run_again(bus, database, behaviour, runs):
    failures = [ValueError("once")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    behaviour["b-1"] = fail_once

    bus.publish_event(an_accreditation("b-1"))

    eventually(lambda: database["things"].find_one({"_id": "b-1"}))
    assert runs == ["b-1", "b-1"]


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "error", [ValueError("boom"), eventlet.Timeout(), SystemExit(3), KeyboardInterrupt()], ids=repr
)
def test_a_handler_that_keeps_failing_costs_one_dead_letter_and_nothing_else(bus, database, behaviour, runs, error):
    behaviour["b-1"] = lambda: _raise(error)

    bus.publish_event(an_accreditation("b-1"))
    bus.publish_event(an_accreditation("b-2"))

    properties, body = bus.dead_letter()
    assert properties.headers["touchstone-reason"] == "retries_exhausted"
    assert properties.headers["touchstone-consumer"] == QUEUE
    assert json.loads(body)["subject"] == "b-1"
    assert runs.count("b-1") == 2
    assert database["things"].find_one({"_id": "b-2"})
    assert database["things"].find_one({"_id": "b-1"}) is None


def test_a_refusal_by_the_domain_is_not_retried(bus, behaviour, runs):
    behaviour["b-1"] = lambda: _raise(NotFound("nothing there"))

    bus.publish_event(an_accreditation("b-1"))

    properties, _ = bus.dead_letter()
    assert properties.headers["touchstone-reason"] == "not_found"
    assert runs == ["b-1"]


CLOUD = "application/cloudevents+json"
BAD = {
    "no json": (b"{", {"content_type": CLOUD}, "undecodable"),
    "not utf-8": (b"\xff\xfe", {"content_type": CLOUD}, "undecodable"),
    "empty": (b"", {"content_type": CLOUD}, "undecodable"),
    "a list": (b"[]", {"content_type": CLOUD}, "undecodable"),
    "a number": (b"1", {"content_type": CLOUD}, "undecodable"),
    "NaN": (b'{"a": NaN}', {"content_type": CLOUD}, "undecodable"),
    "a key twice": (b'{"a": {"b": [{"c": 1, "\\u0063": 1}]}}', {"content_type": CLOUD}, "doubled_key"),
    "too much": (b'{"a": [' + b"1," * 10_000 + b"1]}", {"content_type": CLOUD}, "too_many"),
    "no content type": (b"{}", {}, "content_type"),
    "wrong content type": (b"{}", {"content_type": "application/text"}, "content_type"),
    "pickle": (b"\x80\x04N.", {"content_type": "application/x-python-serialize"}, "content_type"),
    "xml": (b"<a/>", {"content_type": "application/xml"}, "content_type"),
    "unknown encoding": (b"{}", {"content_type": CLOUD, "content_encoding": "bogus"}, "content_encoding"),
    "binary encoding": (b"{}", {"content_type": CLOUD, "content_encoding": "binary"}, "content_encoding"),
    "compression header": (
        gzip.compress(b"{}"),
        {"content_type": CLOUD, "headers": {"compression": "application/x-gzip"}},
        "compressed",
    ),
    "gzip bomb": (
        gzip.compress(b" " * 50_000_000),
        {"content_type": CLOUD, "headers": {"compression": "application/x-gzip"}},
        "compressed",
    ),
    "too large": (b'"' + b"x" * 200_000 + b'"', {"content_type": CLOUD}, "rejected"),
    "too deep": (b"[" * 40_000 + b"]" * 40_000, {"content_type": CLOUD}, "too_deep"),
    "deep object": (b'{"a":' * 200 + b"1" + b"}" * 200, {"content_type": CLOUD}, "too_deep"),
    "call_id_stack a string": (b"{}", {"content_type": CLOUD, "headers": {"nameko.call_id_stack": "x"}}, "headers"),
    "call_id_stack of numbers": (b"{}", {"content_type": CLOUD, "headers": {"nameko.call_id_stack": [1]}}, "headers"),
    "call_id_stack a map": (b"{}", {"content_type": CLOUD, "headers": {"nameko.call_id_stack": {"a": 1}}}, "headers"),
    "no envelope": (b"{}", {"content_type": CLOUD}, "schema"),
    "wrong specversion": (an_accreditation("b", specversion="0.3"), {"content_type": CLOUD}, "schema"),
    "no id": (an_accreditation("b", id=None), {"content_type": CLOUD}, "schema"),
    "unknown type": (an_accreditation("b", type="assessment.unheard_of.v1"), {"content_type": CLOUD}, "schema"),
    "newer version": (an_accreditation("b", type="assessment.body_accredited.v9"), {"content_type": CLOUD}, "schema"),
    "another type": (an_accreditation("b", type="notification.notice_sent.v1"), {"content_type": CLOUD}, "schema"),
    "data a string": (an_accreditation("b", data="x"), {"content_type": CLOUD}, "schema"),
    "data empty": (an_accreditation("b", data={}), {"content_type": CLOUD}, "schema"),
    "sequence a word": (an_accreditation("b", sequence="one"), {"content_type": CLOUD}, "schema"),
    "naive time": (an_accreditation("b", time="2026-01-01T00:00:00"), {"content_type": CLOUD}, "schema"),
}


def test_a_bad_message_is_parked_within_a_second_with_its_reason_and_the_next_good_one_is_handled(
    bus, database, subtests
):
    for number, (case, (body, properties, reason)) in enumerate(BAD.items()):
        with subtests.test(case):
            bus.put(QUEUE, body, **properties)
            bus.publish_event(an_accreditation(f"good-{number}"))

            parked, kept = eventually(lambda: bus.take("toy.dead-letter"), within_s=1)

            # What is too large the broker moves by itself, with all of its body: we never had it.
            assert parked.headers.get("touchstone-reason", parked.headers.get("x-first-death-reason")) == reason
            assert kept == (body if isinstance(body, bytes) else json.dumps(body).encode())
            eventually(lambda n=number: database["things"].find_one({"_id": f"good-{n}"}), within_s=3)


def test_a_token_in_a_header_is_not_kept_with_the_dead_letter(bus):
    bus.put(QUEUE, b"{", content_type=CLOUD, headers={"nameko.authorization": "secret", "other": "kept"})

    parked, _ = bus.dead_letter()

    assert "nameko.authorization" not in parked.headers and parked.headers["other"] == "kept"


@pytest.fixture
def timers(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> list[eventlet.Timeout]:
    """Filled by a test: each goes off once, right after a commit."""
    original, timers = Resources._after_commit, []

    def broken(*args: Any) -> None:
        original(*args)
        if timers:
            raise timers.pop()

    monkeypatch.setattr(Resources, "_after_commit", broken)
    return timers


def test_a_timer_that_goes_off_after_the_commit_costs_no_worker_and_no_second_effect(bus, database, timers):
    for number in range(12):  # more than there are workers; one by one, since what is committed together fails together
        timers.append(eventlet.Timeout())
        bus.publish_event(an_accreditation(f"b-{number}"))
        eventually(lambda: not timers)

    bus.publish_event(an_accreditation("b-last"))

    eventually(lambda: database["things"].find_one({"_id": "b-last"}))
    eventually(lambda: bus.count(retry_queue("toy", 1)) == 0)
    assert [thing["count"] for thing in database["things"].find()] == [1] * 13
    assert bus.count("toy.dead-letter") == 0


def test_a_timer_that_goes_off_after_a_commit_of_many_gives_none_of_them_a_second_effect(
    bus, database, timers, behaviour, runs
):
    all_begun = eventlet.event.Event()
    ids = [f"b-{number}" for number in range(8)]  # as many as there are workers
    behaviour.update(dict.fromkeys(ids, all_begun.wait))
    timers.append(eventlet.Timeout())
    for id in ids:
        bus.publish_event(an_accreditation(id))
    eventually(lambda: len(runs) == len(ids))

    all_begun.send()

    heard = [json.loads(eventually(lambda: bus.take(HEARD))[1])["subject"] for _ in ids]
    bus.publish_event(an_accreditation("b-last"))
    last = json.loads(eventually(lambda: bus.take(HEARD))[1])["subject"]
    eventually(lambda: bus.count(retry_queue("toy", 1)) == 0)
    eventually(lambda: bus.count(QUEUE) == 0)
    assert not timers and sorted(heard) == ids and last == "b-last"
    assert [thing["count"] for thing in database["things"].find()] == [1] * 9
    assert bus.count("toy.dead-letter") == 0


def test_a_refusal_that_may_be_a_repeats_is_no_dead_letter_while_the_database_cannot_tell(
    bus, database, behaviour, monkeypatch
):
    original, failures, refusals = Committer.was_processed, [AutoReconnect("away")], [NotFound("not any more")]

    def away_once(*args: Any) -> bool:
        if failures:
            raise failures.pop()
        return original(*args)

    monkeypatch.setattr(Committer, "was_processed", away_once)
    behaviour["b-1"] = lambda: _raise(refusals.pop()) if refusals else None

    bus.publish_event(an_accreditation("b-1"))

    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}))
    assert bus.count("toy.dead-letter") == 0
