"""Following events on a real broker."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from touchstone.events import watching
from touchstone.events.watching import watch
from touchstone.provisioning.broker_plan import broker_plan
from touchstone.provisioning.provision import provision_broker
from touchstone.rpc.blocking import BrokerRefused, open_connection
from touchstone_contracts.topology import ServiceTopology


@pytest.fixture
def producer(backing: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A producer that no other test has, provisioned, and the only one that is known."""
    name = f"svc{uuid.uuid4().hex[:8]}"
    plan = broker_plan([ServiceTopology(service=name)])
    provision_broker(backing.amqp_uri, plan)
    monkeypatch.setattr(watching, "SERVICES", ["not-there", name])
    yield name
    with open_connection(backing.amqp_uri) as connection:
        channel = connection.channel()
        for queue in plan.queues:
            channel.queue_delete(queue)
        for exchange in set(plan.exchanges) - {"nameko-rpc"}:
            channel.exchange_delete(exchange)


def publish(backing: Any, exchange: str, body: bytes) -> None:
    with open_connection(backing.amqp_uri) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish(exchange, "thing_done.v1", body)


def test_events_of_every_exchange_that_is_there_are_seen(backing: Any, producer: str):
    event = {"type": f"{producer}.thing_done.v1", "subject": "a-1", "data": {"number": 195, "level": "full"}}
    events = watch(backing.amqp_uri)
    assert next(events) is None

    publish(backing, f"{producer}.events", json.dumps(event).encode())
    seen = next(found for found in events if found is not None)
    events.close()

    assert (seen.type, seen.subject, seen.message) == (event["type"], "a-1", event)
    assert seen.summary() == "thing done"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[1]", b"{}"])
def test_what_is_no_event_is_shown_and_ends_nothing(backing: Any, producer: str, body: bytes):
    events = watch(backing.amqp_uri)
    next(events)

    publish(backing, f"{producer}.events", body)
    seen = next(found for found in events if found is not None)
    events.close()

    assert seen.summary() == ""


def test_a_broker_without_any_service_is_told(backing: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watching, "SERVICES", ["not-there"])

    with pytest.raises(BrokerRefused, match="touchstone provision"):
        next(watch(backing.amqp_uri))


def test_the_command_ends_when_nothing_happens_any_more(backing: Any):
    provision_broker(backing.amqp_uri, broker_plan([ServiceTopology(service="assessment")]))
    command = [sys.executable, "-m", "touchstone.cli", "watch", "--until-idle", "0.5", "--json"]

    done = subprocess.run(
        command, env={**os.environ, "AMQP_URI": backing.amqp_uri}, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
