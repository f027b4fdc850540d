"""A consumer hears the heartbeats of its producers, believes none that they did not sign, and outlives all of them."""

import datetime
import json
from collections.abc import Callable
from typing import Any

import pytest

from touchstone_chassis.heartbeat.api import FreshnessApi
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.topology import heard_from
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import event_keys

ACCREDITED = "assessment.body_accredited"
HEARD = heard_from("toy")


@pytest.fixture
def inherited() -> tuple[type, ...]:
    return (FreshnessApi,)


@pytest.fixture
def assessment(bus: Any, issuer: Any) -> Callable[[], dict[str, Any]]:
    """What the toy knows of how far it is with assessment."""

    def asked() -> dict[str, Any]:
        reply = bus.call("get_freshness", issuer.token(OPERATOR))
        assert reply["error"] is None, reply
        (found,) = reply["result"]["producers"]
        return found

    return asked


def beat(bus: Any, count: int, *, signer: str | None = "assessment", seconds_ago: float = 0) -> None:
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
    body = json.dumps({"producer": "assessment", "at": at.isoformat(), "counts": {ACCREDITED: count}}).encode()
    headers = event_keys().headers(signer, body) if signer else {}
    bus.put(HEARD, body, content_type="application/json", headers=headers)


def test_a_heartbeat_that_is_reached_is_the_moment_of_being_in_step(bus: Any, assessment: Any) -> None:
    beat(bus, 0)

    eventually(lambda: assessment()["in_step_at"])

    assert (assessment()["lacking"], assessment()["behind_since"], assessment()["counted"]) == ({}, None, True)


def test_what_is_counted_and_does_not_come_is_lacking_since_the_heartbeat_that_counted_it(
    bus: Any, assessment: Any, resources: Any
) -> None:
    beat(bus, 2, seconds_ago=120)
    eventually(lambda: assessment()["lacking"])
    beat(bus, 2)

    since = eventually(lambda: assessment()["behind_since"])

    ok, told = next((r["ok"], r["detail"]) for r in resources.checks.run() if r["name"] == "in_step")
    assert datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(since) > datetime.timedelta(
        seconds=100
    )
    assert not ok and told.startswith("assessment: not in step since") and told.endswith(f"lacks 2 {ACCREDITED}")


@pytest.mark.parametrize("signer", [None, "toy", "membership"])
def test_a_heartbeat_that_its_producer_did_not_sign_is_not_believed(bus: Any, assessment: Any, signer: str) -> None:
    beat(bus, 9, signer=signer)
    beat(bus, 0, seconds_ago=1)

    eventually(lambda: assessment()["in_step_at"])

    assert assessment()["lacking"] == {}


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[]", b"{}", b'{"producer": {}, "at": 0, "counts": 0}', b'{"producer": "x"}', b"{" * 10_000],
    ids=repr,
)
def test_whatever_is_put_there_the_next_heartbeat_is_heard(bus: Any, assessment: Any, body: bytes) -> None:
    bus.put(HEARD, body[:5_000], content_type="application/json", headers=event_keys().headers("assessment", body))
    beat(bus, 0)

    eventually(lambda: assessment()["in_step_at"])

    eventually(lambda: bus.count(HEARD) == 0)


def test_an_older_heartbeat_that_comes_later_changes_nothing(bus: Any, assessment: Any) -> None:
    beat(bus, 0)
    eventually(lambda: assessment()["in_step_at"])

    beat(bus, 5, seconds_ago=600)
    heard_at = assessment()["heard_at"]
    eventually(lambda: bus.count(HEARD) == 0)

    assert (assessment()["heard_at"], assessment()["lacking"]) == (heard_at, {})
