"""Whoever can publish to the broker still gets no certificate issued: an event counts if its producer signed it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pika
import pytest

from touchstone.cases.forgeries import NOT_SIGNED
from touchstone.rpc.blocking import open_connection
from touchstone_contracts.envelope import CONTENT_TYPE
from touchstone_contracts.topology import event_queue, events_exchange
from touchstone_devkit.demo.register import OPERATOR
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import EventKeys

ACCEPTED = "assessment.audit_accepted.v1"


def publish(scheme: Scheme, message: dict[str, Any], headers: Callable[[bytes], dict[str, str]]) -> None:
    """As anybody with the broker's password can."""
    body = json.dumps(message).encode()
    properties = pika.BasicProperties(
        content_type=CONTENT_TYPE, delivery_mode=2, message_id=message["id"], type=ACCEPTED, headers=headers(body)
    )
    with open_connection(scheme.amqp_uri) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(events_exchange("assessment"), "audit_accepted.v1", body, properties, mandatory=True)


def parked(scheme: Scheme, event_id: str) -> dict[str, Any] | None:
    found = scheme.register.every(OPERATOR, "certification.list_dead_letters", event=ACCEPTED)
    return next((letter for letter in found if letter["event_id"] == event_id), None)


def reconciled(scheme: Scheme) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "touchstone.cli", "reconcile", "--json", "--role", "operator", "--grace", "0"],
        env={**os.environ, **scheme.environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["found"]
    return found


def case_of(scheme: Scheme, audit_id: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "touchstone.cli", "case", audit_id, "--json", "--role", "operator"],
        env={**os.environ, **scheme.environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    way: dict[str, Any] = json.loads(done.stdout)
    return way


@pytest.mark.parametrize("reason", ["unsigned", "forged"])
def test_an_acceptance_that_assessment_did_not_tell_of_leads_to_nothing_and_is_told(
    scheme: Scheme, new_world: Callable[[str], World], tmp_path: Path, reason: str
) -> None:
    true = new_world("a minor, plan approved")
    outcome = scheme.travel(true)
    (accepted,) = scheme.wire_tap.about(str(outcome.audit_id), ACCEPTED)
    event_id, audit_id = uuid.uuid4().hex, f"forged-{uuid.uuid4().hex}"
    forged = accepted | {"id": event_id, "subject": audit_id, "data": accepted["data"] | {"audit_id": audit_id}}
    stranger = EventKeys(tmp_path)

    publish(scheme, forged, lambda body: stranger.headers("assessment", body) if reason == "forged" else {})

    letter = eventually(lambda: parked(scheme, event_id), within_s=30)
    told = reconciled(scheme)
    way = case_of(scheme, audit_id)
    certificates = scheme.register.every(None, "certification.list_certificates", member_id=true.case.member_id)
    notices = scheme.register.every(OPERATOR, "notification.list_notices", audit_id=audit_id)
    discarded = scheme.register.call(
        OPERATOR, "certification.discard_dead_letters", ids=[letter["id"]], why="published by a test"
    )
    assert (letter["queue"], letter["reason"]) == (event_queue("certification", ACCEPTED), reason)
    assert [c["number"] for c in certificates] == [outcome.certificate["number"]]  # type: ignore[index]
    assert notices == []
    (step,) = way["steps"]
    assert step["kind"] == "parked" and letter["id"] in step["text"]
    assert step["text"].startswith(f"{NOT_SIGNED[reason]} assessment: ")
    (found,) = [d for d in told if d["kind"] == "event_forged"]
    assert (found["service"], found["about"]) == ("certification", {"dead_letter": letter["id"], "reason": reason})
    assert discarded["discarded"] == [letter["id"]]
    assert not [d for d in reconciled(scheme) if d["kind"] == "event_forged"]
