"""RPC: who may call, by when, once; every request is answered or parked."""

import contextlib
import datetime
import json
import time
import uuid
from typing import Any

import eventlet
import pika
import pytest
from eventlet.semaphore import Semaphore

from touchstone_chassis.handlers.idempotency import Answers
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.rpc.method import PUBLIC_BYTES_MAX, Method
from touchstone_chassis.rpc.server import RpcServer
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_devkit.eventually import eventually, patience


def a_name(**changes: Any) -> dict[str, Any]:
    return {"id": "t-1", "label": "one", "idempotency_key": uuid.uuid4().hex} | changes


def test_a_command_is_carried_out_and_answered(bus, issuer, database):
    reply = bus.call("name_thing", issuer.token(), **a_name())

    assert reply["error"] is None
    assert reply["result"]["id"] == "t-1" and reply["result"]["by"] == "secretariat-1"
    assert database["things"].find_one({"_id": "t-1"})["version"] == 1


def test_a_repeat_with_the_same_key_and_body_gets_the_first_answer(bus, issuer, runs):
    name = a_name()
    first = bus.call("name_thing", issuer.token(), **name)

    again = bus.call("name_thing", issuer.token(), **name)

    assert again == first
    assert runs == ["t-1"]


def test_a_repeat_with_another_body_is_a_conflict(bus, issuer):
    name = a_name()
    bus.call("name_thing", issuer.token(), **name)

    again = bus.call("name_thing", issuer.token(), **name | {"label": "two"})

    assert again["error"]["code"] == "idempotency_conflict"


def test_another_caller_may_use_the_same_key(bus, issuer):
    bus.call("name_thing", issuer.token(), **a_name(idempotency_key="k"))

    other = bus.call("name_thing", issuer.token(sub="else"), **a_name(id="t-2", label="two", idempotency_key="k"))

    assert other["result"]["id"] == "t-2"


def test_a_refusal_is_not_stored(bus, issuer):
    bus.call("name_thing", issuer.token(), **a_name(id="t-1"))
    refused = bus.call("name_thing", issuer.token(), **a_name(id="t-1", idempotency_key="k"))

    again = bus.call("name_thing", issuer.token(), **a_name(id="t-2", label="two", idempotency_key="k"))

    assert refused["error"]["code"] == "already_exists"
    assert again["error"] is None


def test_a_command_under_way_answers_in_progress(bus, issuer, behaviour):
    started = eventlet.event.Event()

    def linger() -> None:
        started.send()
        eventlet.sleep(1.5)

    behaviour["t-1"] = linger
    name = a_name()
    first = eventlet.spawn(bus.call, "name_thing", issuer.token(), **name)
    started.wait()
    other = type(bus)(bus.uri)

    second = other.call("name_thing", issuer.token(), **name)

    assert second["error"]["code"] == "in_progress" and second["error"]["retryable"] is True
    assert first.wait()["error"] is None
    other.connection.close()


def test_a_stored_answer_survives_what_the_domain_would_refuse_now(bus, issuer, database):
    name = a_name()
    first = bus.call("name_thing", issuer.token(), **name)
    database["things"].update_one({"_id": "t-1"}, {"$inc": {"version": 5}})

    assert bus.call("name_thing", issuer.token(), **name) == first


def test_a_command_needs_an_idempotency_key(bus, issuer, subtests):
    for key in (None, "", 7, "x" * 201, ["k"]):
        with subtests.test(repr(key)):
            reply = bus.call("name_thing", issuer.token(), **a_name(idempotency_key=key))

            assert reply["error"]["code"] == "invalid_request"
            assert reply["error"]["errors"][0]["path"] == "idempotency_key"


def test_all_faults_of_a_request_are_named_at_once(bus, issuer):
    reply = bus.call("name_thing", issuer.token(), idempotency_key="k", label=7, color="red")

    assert {(e["path"], e["code"]) for e in reply["error"]["errors"]} == {
        ("id", "required"),
        ("label", "wrong_type"),
        ("color", "unknown_field"),
    }


def test_past_its_deadline_nothing_is_executed(bus, issuer, runs):
    past = int(time.time() * 1000) - 60_000

    reply = bus.call("name_thing", issuer.token(), {"nameko.deadline": past}, **a_name())

    error = reply["error"]
    assert error["code"] == "deadline_exceeded" and "passed 6" in error["message"]
    assert abs(datetime.datetime.fromisoformat(error["service_time"]).timestamp() - time.time()) < patience()
    assert runs == []


def test_a_deadline_that_passes_during_the_call_leaves_nothing_behind(bus, issuer, behaviour, database):
    behaviour["t-1"] = lambda: eventlet.sleep(0.5)
    soon = int(time.time() * 1000) + 300

    reply = bus.call("name_thing", issuer.token(), {"nameko.deadline": soon}, **a_name())

    assert reply["error"]["code"] == "deadline_exceeded"
    assert database["things"].count_documents({}) == 0


def test_a_role_that_is_not_named_is_forbidden(bus, issuer):
    reply = bus.call("name_thing", issuer.token("operator"), **a_name())

    assert reply["error"]["code"] == "forbidden"


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": "others"}, {"iss": "nobody"}], ids=str)
def test_a_wrong_token_is_refused(bus, issuer, claims):
    reply = bus.call("name_thing", issuer.token(**claims), **a_name())

    assert reply["error"]["code"] == "unauthenticated"


def test_no_token_is_refused_where_the_public_may_not_call(bus):
    assert bus.call("name_thing", **a_name())["error"]["code"] == "unauthenticated"


def test_a_public_query_needs_no_token_but_takes_no_forged_one(bus, issuer):
    bus.call("name_thing", issuer.token(), **a_name())

    assert bus.call("get_thing", id="t-1")["result"]["label"] == "one"
    assert bus.call("get_thing", "forged", id="t-1")["error"]["code"] == "unauthenticated"


def test_a_query_that_would_change_something_is_an_error_of_ours_and_changes_nothing(bus, database):
    reply = bus.call("sneaky", id="t-9")

    assert reply["error"]["code"] == "internal_error"
    assert database["things"].count_documents({}) == 0


def test_an_unforeseen_failure_says_nothing_of_its_inside(bus, issuer, behaviour):
    def fail() -> None:
        raise ValueError("password=hunter2")

    behaviour["t-1"] = fail

    reply = bus.call("name_thing", issuer.token(), **a_name())

    assert reply["error"]["code"] == "internal_error"
    assert "hunter2" not in json.dumps(reply)


def test_an_unknown_method_is_answered(bus):
    assert bus.call("no_such_thing")["error"]["code"] == "unknown_method"


def test_a_timeout_inside_a_handler_is_answered_and_costs_no_worker(bus, issuer, behaviour):
    def time_out() -> None:
        raise eventlet.Timeout()

    behaviour["t-1"] = time_out
    for _ in range(12):  # more than there are workers
        assert bus.call("name_thing", issuer.token(), **a_name())["error"]["code"] == "internal_error"

    assert bus.call("name_thing", issuer.token(), **a_name(id="t-2"))["error"] is None


GOOD = b'{"args": [], "kwargs": {"id": "t-1"}}'
BAD = {
    "no json": (b"{", {}, "malformed_request"),
    "pickle": (b"\x80\x04N.", {"content_type": "application/x-python-serialize"}, "malformed_request"),
    "xml": (b"<a/>", {"content_type": "application/xml"}, "malformed_request"),
    "missing content type": (GOOD, {"content_type": None}, "malformed_request"),
    "application/text": (GOOD, {"content_type": "application/text"}, "malformed_request"),
    "compression": (GOOD, {"headers": {"compression": "application/x-bz2"}}, "malformed_request"),
    "deep nesting": (b"[" * 40_000 + b"]" * 40_000, {}, "malformed_request"),
    "too large": (b" " * 200_000 + GOOD, {}, "malformed_request"),
    "too large without a token": (b" " * PUBLIC_BYTES_MAX + GOOD, {}, "malformed_request"),
    "too many arguments": (
        json.dumps({"kwargs": dict.fromkeys(map(str, range(201)))}).encode(),
        {},
        "malformed_request",
    ),
    "a key twice": (b'{"args": [], "kwargs": {"id": "t-1", "\\u0069d": "t-1"}}', {}, "malformed_request"),
    "call_id_stack a string": (GOOD, {"headers": {"nameko.call_id_stack": "x"}}, "malformed_request"),
    "call_id_stack of numbers": (GOOD, {"headers": {"nameko.call_id_stack": [1]}}, "malformed_request"),
    "deadline a word": (GOOD, {"headers": {"nameko.deadline": "soon"}}, "malformed_request"),
    "deadline a digit that is no number": (GOOD, {"headers": {"nameko.deadline": "\u00b2"}}, "malformed_request"),
    "deadline of 5,000 digits": (GOOD, {"headers": {"nameko.deadline": "9" * 5_000}}, "malformed_request"),
    "deadline of 400 digits": (GOOD, {"headers": {"nameko.deadline": "9" * 400}}, "malformed_request"),
    "positional arguments": (b'{"args": ["t-1"], "kwargs": {}}', {}, "invalid_request"),
    "args a map": (b'{"args": {"a": 1}, "kwargs": {}}', {}, "invalid_request"),
    "kwargs a list": (b'{"args": [], "kwargs": []}', {}, "invalid_request"),
    "empty object": (b"{}", {}, "invalid_request"),
    "a list": (b"[]", {}, "malformed_request"),
    "wrong types": (b'{"args": [], "kwargs": {"id": {"$gt": ""}}}', {}, "invalid_request"),
}


def test_a_bad_request_is_answered_and_the_next_good_one_too(bus, subtests):
    for case, (body, properties, code) in BAD.items():
        with subtests.test(case):
            reply = bus.ask("get_thing", body, **properties)

            assert reply["error"]["code"] == code
            assert bus.call("get_thing", id="t-1")["error"]["code"] == "not_found"


def test_an_argument_that_stands_twice_is_named_by_its_path(bus, issuer, database):
    key = uuid.uuid4().hex.encode()
    body = b'{"args": [], "kwargs": {"id": "t-1", "label": {"a": [{"b": 1, "b": 2}]}, "idempotency_key": "%b"}}' % key

    error = bus.ask("name_thing", body, token=issuer.token())["error"]

    assert [(fault["path"], fault["code"]) for fault in error["errors"]] == [("label.a[0].b", "doubled_key")]
    assert database["things"].count_documents({}) == 0


def test_who_shows_no_token_where_one_is_needed_is_refused_whatever_the_body_is(bus):
    assert bus.ask("name_thing", b"{" * 90_000)["error"]["code"] == "unauthenticated"


def test_who_shows_a_token_may_say_more(bus, issuer):
    answer = bus.call("get_thing", issuer.token(), id="t" * 2 * PUBLIC_BYTES_MAX)

    assert answer["error"]["code"] == "not_found"


def test_calls_without_a_token_share_a_few_places_and_all_others_go_on_beside_them(bus, issuer, toy, behaviour):
    toy.shared_extensions[RpcServer].public_share = Semaphore(2)
    begun, going_on = [], eventlet.event.Event()

    def linger() -> None:
        begun.append(1)
        going_on.wait()

    behaviour["slow"] = linger
    for _ in range(6):
        body = json.dumps({"args": [], "kwargs": {"id": "slow"}}).encode()
        properties = pika.BasicProperties(content_type="application/json", reply_to=bus.replies)
        bus.channel.basic_publish("nameko-rpc", "toy.get_thing", body, properties)

    answer = bus.call("get_thing", issuer.token(), id="t-1")

    assert answer["error"]["code"] == "not_found"
    eventually(lambda: len(begun) == 2)
    going_on.send()
    eventually(lambda: len(begun) == 6)


def test_a_request_that_cannot_be_answered_is_parked(bus):
    bus.channel.basic_publish("nameko-rpc", "toy.get_thing", GOOD)
    parked, _ = bus.dead_letter()
    assert parked.headers["touchstone-reason"] == "no_reply_to"

    bus.channel.basic_publish("nameko-rpc", "toy.nothing", GOOD)
    parked, _ = bus.dead_letter()
    assert parked.headers["touchstone-reason"] == "unknown_method"


def test_an_answer_to_a_reply_queue_that_is_gone_harms_nobody(bus, issuer, database):
    bus.put(
        "rpc-toy",
        {"args": [], "kwargs": a_name()},
        content_type="application/json",
        reply_to="gone",
        headers={"nameko.authorization": issuer.token()},
    )
    # By the default exchange the routing key is the queue's name, which is no method.
    assert bus.call("get_thing", id="t-1")["error"]["code"] == "not_found"
    assert database["things"].count_documents({}) == 0


def test_namekos_own_client_gets_answers_and_errors(bus, toy, issuer):
    from nameko.exceptions import RemoteError
    from nameko.standalone.rpc import ServiceRpcClient

    with ServiceRpcClient("toy", context_data={"authorization": issuer.token()}, timeout=10) as client:
        assert client.name_thing(**a_name())["id"] == "t-1"
        with pytest.raises(RemoteError) as caught:
            client.name_thing(**a_name())

    assert caught.value.exc_type == "already_exists"


def test_a_message_is_a_command_and_its_refusal_is_recorded(bus, issuer, database):
    good = {"authorization": issuer.token("assessor", cab="dnv")}
    bus.put("toy.intake", {"id": "m", "label": "x"}, content_type="application/json", message_id="m-1", headers=good)
    bus.put("toy.intake", {"id": "n"}, content_type="application/json", message_id="m-2", headers=good)
    bus.put("toy.intake", {"id": "o", "label": "y"}, content_type="application/json", message_id="m-3")

    eventually(lambda: database["things"].count_documents({}) == 3)

    assert database["things"].find_one({"_id": "m"})["cab"] == "dnv"
    assert database["things"].find_one({"_id": "m-2"})["code"] == "invalid_request"
    assert database["things"].find_one({"_id": "m-3"})["code"] == "unauthenticated"


def test_a_message_in_which_a_key_stands_twice_is_refused_to_its_sender(bus, issuer, database):
    headers = {"authorization": issuer.token("assessor", cab="dnv")}
    body = b'{"id": "m", "label": "x", "label": "y"}'

    bus.put("toy.intake", body, content_type="application/json", message_id="m-1", headers=headers)

    refusal = eventually(lambda: database["things"].find_one())
    assert (refusal["_id"], refusal["code"]) == ("m-1", "malformed_request")
    parked, _ = bus.dead_letter()
    assert parked.headers["touchstone-reason"] == "doubled_key"


def test_the_same_message_twice_is_one_command(bus, issuer, database):
    headers = {"authorization": issuer.token("assessor", cab="dnv")}
    for _ in range(2):
        bus.put(
            "toy.intake", {"id": "m", "label": "x"}, content_type="application/json", message_id="m-1", headers=headers
        )
    bus.put("toy.intake", {"id": "n", "label": "z"}, content_type="application/json", message_id="m-2", headers=headers)

    eventually(lambda: database["things"].find_one({"_id": "n"}))
    eventually(lambda: bus.count("toy.intake") == 0)

    assert database["things"].find_one({"_id": "m"})["version"] == 1
    assert bus.count("toy.dead-letter") == 0


def test_a_message_id_belongs_to_its_sender(bus, issuer, database):
    mine, theirs = ({"authorization": issuer.token("assessor", cab="dnv", sub=sub)} for sub in ("one", "two"))
    bus.put("toy.intake", {"id": "stolen", "label": "x"}, content_type="application/json", message_id="m-1")
    eventually(lambda: database["things"].find_one({"code": "unauthenticated"}))

    bus.put("toy.intake", {"id": "a", "label": "a"}, content_type="application/json", message_id="m-1", headers=mine)
    bus.put("toy.intake", {"id": "b", "label": "b"}, content_type="application/json", message_id="m-1", headers=theirs)

    eventually(lambda: database["things"].count_documents({"_id": {"$in": ["a", "b"]}}) == 2)


def test_a_long_correlation_id_keeps_no_event_from_being_published(bus, issuer, database):
    far_eastern = "\N{CJK UNIFIED IDEOGRAPH-5B57}" * 100  # 100 characters, 300 bytes

    answer = bus.call(
        "name_thing",
        issuer.token(),
        headers={"nameko.correlation_id": far_eastern},
        idempotency_key=uuid.uuid4().hex,
        id="t-1",
        label="One",
    )

    assert answer["error"] is None
    properties, body = eventually(lambda: bus.take("listener.membership.organisation_registered.v1"))
    assert json.loads(body)["correlationid"] == far_eastern
    assert far_eastern.startswith(properties.correlation_id)


def test_text_that_is_no_unicode_is_refused_and_costs_no_worker(bus, issuer):
    lone_surrogate = b'{"args": [], "kwargs": {"id": "\\ud800"}}'

    errors = [bus.ask("get_thing", lone_surrogate)["error"] for _ in range(10)]

    assert {error["code"] for error in errors} == {"malformed_request"}


def test_a_number_that_no_store_can_hold_is_refused(bus, issuer):
    too_long = b'{"args": [], "kwargs": {"idempotency_key": "k", "id": 1' + b"0" * 40 + b"}}"

    answer = bus.ask("name_thing", too_long, token=issuer.token())

    assert answer["error"]["code"] == "malformed_request"


def test_a_command_by_message_that_fails_once_is_still_its_senders_when_it_is_tried_again(
    bus, issuer, database, behaviour
):
    failures = [ValueError("once")]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    behaviour["m"] = fail_once
    headers = {"authorization": issuer.token("assessor", cab="dnv")}

    bus.put("toy.intake", {"id": "m", "label": "x"}, content_type="application/json", message_id="m-1", headers=headers)

    assert eventually(lambda: database["things"].find_one())["_id"] == "m"


def test_a_repeat_gets_the_answer_that_another_replica_stored_meanwhile(bus, issuer, behaviour, monkeypatch):
    """The first call is carried out while the handler of the second is at work."""
    name = a_name()
    first: list[dict] = []

    def another_replica() -> None:
        if not first:
            first.append({})
            other = type(bus)(bus.uri)
            first[0] = other.call("name_thing", issuer.token(), **name)
            other.connection.close()

    monkeypatch.setattr(Answers, "under_way", lambda *_: contextlib.nullcontext())  # it knows nothing of what runs here
    behaviour[name["id"]] = another_replica

    repeat = bus.call("name_thing", issuer.token(), **name)

    assert first[0]["error"] is None
    assert repeat == first[0]


@pytest.mark.parametrize("when", ["before_commit", "after_commit", "before_reply"])
def test_a_timer_that_goes_off_anywhere_is_answered_and_costs_no_worker(when, bus, issuer, resources, monkeypatch):
    owner, name = {
        "before_commit": (Committer, "commit"),
        "after_commit": (Resources, "_after_commit"),
        "before_reply": (Method, "_answer"),
    }[when]
    original, timers = getattr(owner, name), [eventlet.Timeout() for _ in range(12)]  # more than there are workers

    def broken(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs) if when != "before_commit" else None
        if timers:
            raise timers.pop()
        return result if when != "before_commit" else original(*args, **kwargs)

    monkeypatch.setattr(owner, name, broken)
    names = [a_name(id=f"t-{number}", label=f"l-{number}") for number in range(12)]

    errors = [bus.call("name_thing", issuer.token(), **name)["error"] for name in names]

    told = {error and error["code"] for error in errors}
    assert told == {None if when == "after_commit" else "internal_error"}  # what is committed is not told as a failure
    assert all(bus.call("name_thing", issuer.token(), **name)["error"] is None for name in names)
