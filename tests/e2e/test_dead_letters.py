"""An operator finds, mends and sends back what a service gave up, by commands."""

import json
import os
import subprocess
import sys
import uuid
from importlib import resources
from pathlib import Path
from typing import Any

import pika

from touchstone_contracts.envelope import CONTENT_TYPE
from touchstone_contracts.events.assessment import CorrectiveActionPlanReviewed
from touchstone_contracts.topology import event_queue
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import signed

TYPE: str = CorrectiveActionPlanReviewed.type_name  # type: ignore[attr-defined]
QUEUE = event_queue("certification", TYPE)


def dead_letters(scheme: Scheme, *arguments: str, role: str = "operator") -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "touchstone.cli", "dead-letters", *arguments, "--json", "--role", role],
        env={**os.environ, **scheme.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def parked(scheme: Scheme, event: dict[str, Any]) -> dict[str, Any] | None:
    found = dead_letters(scheme, "list", "--service", "certification", "--event", TYPE)
    return next((item for item in found if item["event_id"] == event["id"]), None)


def publish_broken(scheme: Scheme) -> dict[str, Any]:
    """Put an event on certification's queue of which a field is missing; the event as it should have been."""
    text = resources.files("touchstone_contracts").joinpath(f"examples/{TYPE}.json").read_text()
    event: dict[str, Any] = json.loads(text) | {"id": uuid.uuid4().hex}
    broken = {**event, "data": {k: v for k, v in event["data"].items() if k != "plan_state"}}
    assert broken != event
    body = json.dumps(broken).encode()
    headers = signed(scheme.environment, "assessment", body)
    properties = pika.BasicProperties(
        content_type=CONTENT_TYPE, message_id=event["id"], delivery_mode=2, headers=headers
    )
    with pika.BlockingConnection(pika.URLParameters(scheme.amqp_uri)) as connection:
        connection.channel().basic_publish("", QUEUE, body, properties)
    return event


def test_a_broken_event_is_found_mended_and_sent_back(scheme: Scheme, tmp_path: Path) -> None:
    event = publish_broken(scheme)
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event))

    found = eventually(lambda: parked(scheme, event), within_s=20)
    dead_letters(scheme, "edit", found["id"], "--body", str(file), "--why", "the plan's state was missing")
    trial = dead_letters(scheme, "replay", found["id"], "--why", "edited", "--dry-run")
    done = dead_letters(scheme, "replay", found["id"], "--why", "edited")
    with scheme.observer() as observer:
        inbox = observer.collection("certification", "inbox")
        eventually(lambda: inbox.find_one({"_id": {"$regex": f"/{event['id']}$"}}), within_s=30)
    shown = dead_letters(scheme, "show", found["id"])

    assert (found["reason"], found["queue"]) == ("schema", QUEUE)
    assert trial["dry_run"] and trial["outcomes"] == done["outcomes"]
    assert (shown["service"], shown["state"], shown["replays"]) == ("certification", "replayed", 1)
    assert [entry["action"] for entry in shown["actions"]] == ["parked", "edited", "replayed"]
    assert all(entry["who"] for entry in shown["actions"][1:])


def test_what_is_nobodys_is_discarded(scheme: Scheme) -> None:
    event = publish_broken(scheme)
    found = eventually(lambda: parked(scheme, event), within_s=20)

    dead_letters(scheme, "discard", found["id"], "--why", "sent by a test")

    assert parked(scheme, event) is None
    assert found["id"] in [item["id"] for item in dead_letters(scheme, "list", "--state", "discarded")]
