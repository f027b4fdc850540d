"""Nobody but its producer can tell of an event: what bears no valid signature of its producer is parked, unhandled."""

import datetime
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from touchstone_chassis.auth.signatures import Signatures
from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_contracts.envelope import CONTENT_TYPE, SIGNATURE, wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.topology import event_queue
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import event_keys

DAY = datetime.date(2026, 1, 1)
QUEUE = event_queue("toy", BodyAccredited.type_name)
HEARD = "listener.membership.organisation_registered.v1"


@pytest.fixture
def inherited() -> tuple[type, ...]:
    return (DeadLetterApi,)


@pytest.fixture
def operator(bus: Any, issuer: Any) -> Callable[..., Any]:
    def ask(method: str, **kwargs: Any) -> Any:
        key = {} if method.startswith(("list", "get")) else {"idempotency_key": uuid.uuid4().hex}
        name = f"{method}_dead_letter{'' if 'id' in kwargs else 's'}"
        reply = bus.call(name, issuer.token(OPERATOR), **key, **kwargs)
        return reply["error"] or reply["result"]

    return ask


def an_accreditation(body_id: str) -> dict[str, Any]:
    event = BodyAccredited(
        body_id=body_id, name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    return wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="cor-1")


def the_parked(operator: Callable[..., Any]) -> dict[str, Any]:
    (parked,) = eventually(lambda: operator("list")["items"], within_s=15)
    return parked


def put(bus: Any, event: dict[str, Any], headers: dict[str, str]) -> None:
    bus.put(QUEUE, event, content_type=CONTENT_TYPE, message_id=event["id"], headers=headers)


def signed_by(service: str, event: dict[str, Any]) -> dict[str, str]:
    return event_keys().headers(service, json.dumps(event).encode())


def test_an_event_without_a_signature_is_parked_and_changes_nothing(bus, operator, database, runs):
    event = an_accreditation("b-1")

    put(bus, event, {})

    parked = the_parked(operator)
    assert (parked["reason"], parked["error"]) == ("unsigned", "NotSigned: the message bears no signature")
    assert parked["event_id"] == event["id"]
    assert runs == [] and not database["inbox"].count_documents({}) and not database["outbox"].count_documents({})


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        (lambda event: signed_by("notification", event), "signed by notification, not by assessment or toy"),
        (lambda event: signed_by("assessment", event | {"id": "another"}), "the signature is of another message"),
        (lambda event: {SIGNATURE: "a.b.c"}, "signed with a key that is not known here"),
    ],
)
def test_an_event_that_its_producer_did_not_sign_is_forged(bus, operator, runs, headers, error):
    event = an_accreditation("b-1")

    put(bus, event, headers(event))

    parked = the_parked(operator)
    assert (parked["reason"], parked["error"]) == ("forged", f"NotSigned: {error}")
    assert runs == []


def test_what_nobody_vouches_for_is_neither_edited_nor_handled_when_it_is_replayed(bus, operator, runs):
    event = an_accreditation("b-1")
    put(bus, event, signed_by("notification", event))
    parked = the_parked(operator)

    refused = operator("edit", id=parked["id"], body=json.dumps(event), why="it looks right")
    replayed = operator("replay", ids=[parked["id"]], why="try")

    assert "Nobody vouches for it" in refused["value"]
    assert replayed["replayed"] == [parked["id"]]
    again = eventually(lambda: [d for d in operator("list")["items"] if d["times"] == 2], within_s=15)
    assert again[0]["reason"] == "forged" and runs == []


def test_a_retry_and_a_replay_keep_the_signature(bus, operator, behaviour, runs):
    event = an_accreditation("b-1")
    failures = iter([ValueError, ValueError])

    def fail_twice() -> None:
        for error in failures:
            raise error("not yet")

    behaviour["b-1"] = fail_twice
    bus.publish_event(event)
    parked = the_parked(operator)

    operator("replay", ids=[parked["id"]], why="mended")

    assert eventually(lambda: bus.take(HEARD))
    assert (parked["reason"], runs) == ("retries_exhausted", ["b-1"] * 3)


def test_what_an_operator_edits_is_signed_by_the_service_that_keeps_it(bus, operator, database):
    event = an_accreditation("b-1")
    broken = event | {"data": {"body_id": "b-1"}}
    put(bus, broken, signed_by("assessment", broken))
    parked = the_parked(operator)

    operator("edit", id=parked["id"], body=json.dumps(event), why="fields were missing")
    operator("replay", ids=[parked["id"]], why="mended")

    assert parked["reason"] == "schema"
    assert eventually(lambda: bus.take(HEARD))


def test_what_a_service_announces_bears_its_signature(bus):
    bus.publish_event(an_accreditation("b-1"))

    properties, body = eventually(lambda: bus.take(HEARD))

    Signatures(event_keys().public).check(properties.headers[SIGNATURE], body, ("toy",))


def test_what_the_release_before_left_in_the_outbox_is_signed_when_it_goes_out(bus, database, resources):
    bus.publish_event(an_accreditation("b-1"))
    eventually(lambda: bus.take(HEARD))
    event = eventually(lambda: database["events"].find_one_and_delete({}))

    del event["signature"]
    database["outbox"].insert_one(event | {"pending": True, "next_attempt_at": event["published_at"]})

    properties, body = eventually(lambda: bus.take(HEARD), within_s=15)
    Signatures(event_keys().public).check(properties.headers[SIGNATURE], body, ("toy",))


class TestWhileAReleaseRunsThatDoesNotSign:
    @pytest.fixture
    def settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        return settings | {"unsigned_events": "take"}

    def test_an_event_without_a_signature_is_handled_and_a_forged_one_is_not(self, bus, operator, runs):
        unsigned, forged = an_accreditation("b-1"), an_accreditation("b-2")

        put(bus, unsigned, {})
        put(bus, forged, signed_by("notification", forged))

        assert eventually(lambda: bus.take(HEARD))
        assert the_parked(operator)["reason"] == "forged"
        assert runs == ["b-1"]
