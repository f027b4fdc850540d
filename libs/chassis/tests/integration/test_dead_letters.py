"""Dead letters: kept where an operator finds them, mended, sent back once, or discarded; every step on record."""

import dataclasses
import datetime
import hashlib
import itertools
import json
import struct
import uuid
from collections.abc import Callable
from typing import Any

import amqp
import pytest

from touchstone_chassis.amqp import connections
from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_chassis.deadletters.letter import BEGINNING_BYTES
from touchstone_chassis.deadletters.repository import ORDER, criteria
from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.topology import dead_letter, event_queue, retry_queue, returned
from touchstone_devkit.eventually import eventually

DAY = datetime.date(2026, 1, 1)
QUEUE = event_queue("toy", BodyAccredited.type_name)
HEARD = "listener.membership.organisation_registered.v1"


@pytest.fixture
def inherited() -> tuple[type, ...]:
    return (DeadLetterApi,)


@pytest.fixture
def operator(bus: Any, issuer: Any) -> Callable[..., Any]:
    """Calls a method as the operator: its result, or the error's code and the whole error."""

    def ask(method: str, **kwargs: Any) -> Any:
        key = {} if method.startswith(("list", "get")) else {"idempotency_key": uuid.uuid4().hex}
        reply = bus.call(
            f"{method}_dead_letter{'' if 'id' in kwargs else 's'}", issuer.token(OPERATOR), **key, **kwargs
        )
        return reply["error"] or reply["result"]

    return ask


def an_accreditation(body_id: str, **changes: Any) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1") | changes


def fail() -> None:
    raise ValueError("tell rosa@example.org")


def the_parked(operator: Callable[..., Any], **filter: Any) -> dict[str, Any]:
    """The only parked dead letter, as soon as there is one."""
    (parked,) = eventually(lambda: operator("list", **filter)["items"], within_s=15)
    return parked


def broken(bus: Any, behaviour: Any, body_id: str = "b-1") -> dict[str, Any]:
    event = an_accreditation(body_id)
    behaviour[body_id] = fail
    bus.publish_event(event)
    return event


def test_what_is_given_up_is_kept_with_all_that_is_known_of_it(bus, operator, behaviour, database):
    event = broken(bus, behaviour)

    parked = the_parked(operator)
    shown = operator("get", id=parked["id"])

    assert (parked["state"], parked["queue"], parked["reason"]) == ("parked", QUEUE, "retries_exhausted")
    assert (parked["event_type"], parked["event_id"], parked["correlation_id"]) == (event["type"], event["id"], "cor-1")
    assert (parked["attempts"], parked["replays"], parked["times"]) == (1, 0, 1)
    assert parked["error"] == "ValueError: tell r•••@example.org"
    assert shown["body"] == event and shown["obstacle"] is None
    assert [a["action"] for a in shown["actions"]] == ["parked"]
    eventually(lambda: bus.count(dead_letter("toy")) == 0)


def test_a_message_that_the_broker_gave_up_is_kept_with_the_brokers_reason(bus, operator, resources):
    with_header = {"headers": {"authorization": "secret"}, "message_id": "m-1"}
    consumed = resources.consumer._queues
    consumed[QUEUE] = dataclasses.replace(consumed[QUEUE], handler=lambda delivery: delivery.reject())
    bus.put(QUEUE, b"nonsense", **with_header)

    parked = the_parked(operator)
    shown = operator("get", id=parked["id"])

    assert (parked["queue"], parked["reason"], parked["message_id"]) == (QUEUE, "rejected", "m-1")
    assert shown["body"] == "nonsense" and shown["headers"] == {}


def test_properties_that_cannot_be_read_do_not_cost_the_message(bus, operator, settings):
    class Raw(amqp.Message):
        def _serialize_properties(self) -> bytes:
            return struct.pack(">H", 0x8000) + b"\x02\xff\xfe"

    connection = connections.connect(settings["AMQP_URI"])
    channel = connection.channel()
    event = an_accreditation("b-1")
    channel._basic_publish(Raw(json.dumps(event).encode()), "", QUEUE)
    channel._basic_publish(amqp.Message(b"{}"), "nameko-rpc", b"toy.\xff\xfe")

    parked = eventually(lambda: operator("list")["items"][1:] and operator("list")["items"], within_s=15)
    unreadable = next(item for item in parked if item["event_id"] == event["id"])
    refused = operator("replay", ids=[unreadable["id"]], why="try")["refused"]
    edited = operator("edit", id=unreadable["id"], body=json.dumps(event), why="its properties were broken")

    connection.close()
    assert refused[0]["code"] == "not_an_event"  # nobody knows where it came from
    assert edited["queue"] == QUEUE
    assert operator("replay", ids=[unreadable["id"]], why="mended")["replayed"] == [unreadable["id"]]
    assert eventually(lambda: bus.take(HEARD))


def test_a_replay_takes_effect_once_and_is_on_record(bus, operator, behaviour, database):
    event = broken(bus, behaviour)
    parked = the_parked(operator)
    del behaviour["b-1"]

    trial = operator("replay", ids=[parked["id"]], why="mended", dry_run=True)
    done = operator("replay", ids=[parked["id"]], why="mended")
    again = operator("replay", ids=[parked["id"]], why="mended")
    bus.publish_event(event)

    eventually(lambda: bus.take(HEARD))
    shown = operator("get", id=parked["id"])
    assert trial["replayed"] == done["replayed"] == [parked["id"]] and trial["dry_run"]
    assert again["refused"][0]["code"] == "not_parked"
    assert (shown["state"], shown["replays"]) == ("replayed", 1)
    assert [(a["action"], a["who"], a["why"]) for a in shown["actions"][1:]] == [
        ("replayed", "operator-1 (operator, tests)", "mended")
    ]
    assert database["inbox"].find_one({"_id": f"toy.name_body/{event['id']}"})
    assert database["things"].find_one({"_id": "b-1"})["count"] == 1
    assert bus.take(HEARD) is None
    assert eventually(lambda: database["outbox"].count_documents({"properties": {"$exists": True}}) == 0)


def test_a_replay_that_fails_again_meets_its_own_document_until_the_limit(bus, operator, behaviour, runs):
    broken(bus, behaviour)
    parked = the_parked(operator)

    for replay in range(1, 6):
        assert operator("replay", ids=[parked["id"]], why="again")["replayed"]
        found = the_parked(operator)
        assert (found["id"], found["replays"], found["times"]) == (parked["id"], replay, replay + 1)
    refused = operator("replay", ids=[parked["id"]], why="again")["refused"]
    forced = operator("replay", ids=[parked["id"]], why="really", force=True, dry_run=True)

    assert refused[0]["code"] == "limit_reached"
    assert forced["replayed"] == [parked["id"]]
    assert len(runs) == 12  # one try and one retry each time


def test_an_edited_message_is_repaired_and_its_id_stays(bus, operator, database):
    event = an_accreditation("b-1")
    bad = {**event, "data": {**event["data"], "valid_from": "soon"}}
    bus.publish_event(bad)
    parked = the_parked(operator, reason="schema")

    other = operator("edit", id=parked["id"], body=json.dumps({**event, "id": "another"}), why="x")
    wrong = operator("edit", id=parked["id"], body=json.dumps(bad), why="x")
    edited = operator("edit", id=parked["id"], body=json.dumps(event), why="the date was no date")
    operator("replay", ids=[parked["id"]], why="edited")

    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}))
    assert (other["code"], other["errors"][0]["path"]) == ("invalid_request", "body.id")
    assert wrong["errors"][0]["path"].startswith("body.valid_from")
    assert (edited["body"], edited["edited_body"]) == (bad, event)
    assert [a["action"] for a in edited["actions"]] == ["parked", "edited"]


def test_what_is_discarded_is_gone_from_the_list_and_stays_on_record(bus, operator, behaviour):
    for name in ("b-1", "b-2"):
        broken(bus, behaviour, name)
    eventually(lambda: len(operator("list")["items"]) == 2, within_s=15)

    trial = operator("discard", filter={"queue": QUEUE}, why="a trial", dry_run=True)
    first = operator("discard", filter={"event": BodyAccredited.type_name}, why="not ours", limit=1)
    rest = operator("discard", filter={}, why="not ours", after=first["next"])

    assert len(trial["discarded"]) == 2
    assert len(first["discarded"]) == len(rest["discarded"]) == 1 and rest["next"] is None
    assert operator("list")["items"] == []
    gone = operator("list", state="discarded")["items"]
    assert {item["id"] for item in gone} == {*first["discarded"], *rest["discarded"]}
    assert operator("get", id=gone[0]["id"])["actions"][-1]["why"] == "not ours"


def test_a_call_that_nobody_waits_for_can_be_discarded_but_not_replayed(bus, operator):
    bus.put("rpc-toy", {"args": [], "kwargs": {}}, content_type="application/json")
    parked = the_parked(operator)

    refused = operator("replay", filter={}, why="x")["refused"]
    discarded = operator("discard", ids=[parked["id"], "unknown"], why="x")

    assert parked["queue"] == "rpc-toy"
    assert refused[0]["code"] == "not_an_event"
    assert discarded["discarded"] == [parked["id"]] and discarded["refused"][0]["code"] == "not_found"


def test_a_rated_batch_goes_out_one_by_one_and_is_no_lag(bus, operator, behaviour, database, resources):
    names = [f"b-{number}" for number in range(4)]
    for name in names:
        broken(bus, behaviour, name)
    eventually(lambda: len(operator("list")["items"]) == 4, within_s=15)
    behaviour.clear()

    first = operator("replay", filter={}, why="mended", rate_per_s=0.1, limit=2)
    second = operator("replay", filter={}, why="mended", rate_per_s=0.1, after=first["next"])

    assert eventually(lambda: bus.take(HEARD)) and bus.take(HEARD) is None
    eventually(lambda: database["outbox"].count_documents({"properties": {"$exists": True}}) == 3)
    rows = database["outbox"].find({"properties": {"$exists": True}}, sort=[("recorded_at", 1)])
    due = [row["recorded_at"] for row in rows]
    assert len(second["replayed"]) == 2
    assert [round((b - a).total_seconds()) for a, b in itertools.pairwise(due)] == [10, 10]
    assert resources.background_relay.check_lag()[0]


def test_what_comes_back_when_its_queue_is_gone_is_parked_and_replayed_when_there_is_one(
    bus, operator, behaviour, database, provisioned
):
    broken(bus, behaviour)
    eventually(lambda: bus.count(retry_queue("toy", 1)) == 1)
    bus.channel.queue_delete(QUEUE)

    parked = the_parked(operator)
    behaviour.clear()
    provisioned()
    operator("replay", ids=[parked["id"]], why="the queue is back")

    assert (parked["queue"], parked["reason"], parked["attempts"]) == (QUEUE, "queue_gone", 1)
    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}), within_s=5)["count"] == 1


def test_what_comes_back_when_its_queue_is_bound_no_more_is_put_into_it_all_the_same(
    bus, operator, behaviour, database, runs
):
    bus.channel.queue_unbind(QUEUE, returned("toy"), QUEUE)
    behaviour["b-1"] = lambda: fail() if len(runs) == 1 else None

    bus.publish_event(an_accreditation("b-1"))

    assert eventually(lambda: database["things"].find_one({"_id": "b-1"}), within_s=5)
    assert operator("list")["items"] == []


def test_a_message_comes_back_from_the_queue_until_it_is_kept_and_is_kept_once(bus, operator, behaviour, database):
    broken(bus, behaviour)
    parked = the_parked(operator)
    document = database["dead_letters"].find_one({"_id": parked["id"]})
    headers = {"touchstone-reason": "retries_exhausted", "touchstone-consumer": QUEUE}

    # as after a kill between keeping and acknowledging: the same parking is delivered again
    bus.put(
        dead_letter("toy"),
        bytes(document["body"]),
        message_id=document["message_id"],
        headers=headers | {"touchstone-tag": document["keys"][0]},
    )

    eventually(lambda: bus.count(dead_letter("toy")) == 0)
    bus.put(dead_letter("toy"), b"other", message_id="m-2", headers=headers | {"touchstone-tag": "t-2"})
    eventually(lambda: len(operator("list")["items"]) == 2)
    assert operator("get", id=parked["id"])["times"] == 1


BAD_COMMANDS = {
    "too large": ({"id": "m", "label": "x" * 200_000}, "application/json", "too_large"),
    "no JSON": (b"{" + b"x" * 50_000, "application/json", "undecodable"),
    "of another type": ({"id": "m", "label": "x"}, "text/plain", "content_type"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without one"])
def test_a_bad_command_is_answered_and_kept_in_short_for_a_while(bus, operator, issuer, database, case, known):
    body, content_type, reason = BAD_COMMANDS[case]
    headers = {"authorization": issuer.token("assessor", cab="dnv")} if known else {}
    bus.put("toy.intake", body, content_type=content_type, message_id="m-1", headers=headers)

    parked = the_parked(operator)
    document = database["dead_letters"].find_one()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    assert eventually(lambda: database["things"].find_one({"_id": "m-1"}))["code"] == "malformed_request"
    assert (parked["reason"], parked["queue"], parked["size"]) == (reason, "toy.intake", len(raw))
    assert (document["body"], document["digest"]) == (raw[:BEGINNING_BYTES], hashlib.sha256(raw).hexdigest())
    assert (
        datetime.timedelta(29) < document["expires_at"] - datetime.datetime.now(datetime.UTC) < datetime.timedelta(31)
    )
    assert len(raw) <= BEGINNING_BYTES or operator("get", id=parked["id"])["body"].endswith("x…")
    assert operator("replay", ids=[parked["id"]], why="try")["refused"][0]["code"] == "not_an_event"


def test_a_bad_command_that_comes_again_is_answered_once(bus, operator, database):
    for _ in range(2):
        bus.put("toy.intake", b"{" + b" " * 200_000, content_type="application/json", message_id="m-1")

    assert eventually(lambda: operator("list")["items"] and bus.count("toy.intake") == 0)
    eventually(lambda: bus.count(dead_letter("toy")) == 0)
    assert database["things"].find_one({"_id": "m-1"})["version"] == 1
    assert len(operator("list")["items"]) == 1


@pytest.mark.parametrize("method", ["get_thing", "no_method"])
def test_a_call_that_nobody_waits_for_is_kept_in_short_for_a_while(bus, operator, database, method):
    bus.channel.basic_publish("nameko-rpc", f"toy.{method}", b"x" * 50_000)

    parked = the_parked(operator)
    document = database["dead_letters"].find_one()

    assert parked["reason"] in ("no_reply_to", "unknown_method") and parked["size"] == 50_000
    assert len(document["body"]) == BEGINNING_BYTES and document["expires_at"]


def test_an_event_that_is_too_large_is_kept_whole_until_it_is_discarded(bus, operator, database):
    event = an_accreditation("b-1") | {"padding": "x" * 200_000}
    bus.publish_event(event)

    parked = the_parked(operator)
    document = database["dead_letters"].find_one()

    assert (parked["reason"], parked["queue"], parked["event_id"]) == ("too_large", QUEUE, event["id"])
    assert json.loads(document["body"]) == event and "expires_at" not in document


def test_a_body_larger_than_a_document_is_kept_in_parts(bus, operator, database):
    body = b"x" * (9 * 1024 * 1024)
    headers = {"touchstone-reason": "too_large", "touchstone-consumer": QUEUE}
    bus.put(dead_letter("toy"), body, message_id="m-1", headers=headers)

    parked = the_parked(operator)
    parts = database["dead_letter_parts"].find(sort=[("_id", 1)])
    kept = database["dead_letters"].find_one()["body"] + b"".join(part["body"] for part in parts)
    obstacle = operator("get", id=parked["id"])["obstacle"]
    operator("discard", ids=[parked["id"]], why="too large for us")

    assert parked["size"] == len(body) and kept == body
    assert obstacle["code"] == "too_large"
    assert database["dead_letter_parts"].count_documents({}) == 0


@pytest.mark.parametrize(
    "filter",
    [
        {},
        {"queue": QUEUE},
        {"event": BodyAccredited.type_name},
        {"reason": "schema"},
        {"older_than_s": 60},
        {"state": "replayed", "queue": QUEUE, "older_than_s": 5},
        {"after": "2026-01-01T00:00:00+00:00/abc", "reason": "schema"},
    ],
)
def test_every_filter_is_answered_from_an_index_in_order(database, filter):
    found = database["dead_letters"].find(criteria(filter, datetime.datetime.now(datetime.UTC))).sort(ORDER)

    plan = str(found.explain()["queryPlanner"]["winningPlan"])

    assert "IXSCAN" in plan and "COLLSCAN" not in plan and "'SORT'" not in plan
