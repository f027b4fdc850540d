"""The way from the broker to the service's method is short: few frames of ours lie on the stack when it runs."""

import datetime
import sys
import uuid
from types import FrameType

import pytest

from touchstone_contracts.envelope import wrap
from touchstone_contracts.events.assessment import BodyAccredited
from touchstone_contracts.roles import ASSESSOR
from touchstone_devkit.eventually import eventually

FRAMES_MAX = 8
"""With the method itself: at most so many."""
DAY = datetime.date(2026, 1, 1)


def frames_of_ours(frame: FrameType | None) -> list[str]:
    """Functions of the chassis that are under way, the innermost first."""
    found = []
    while frame is not None:
        if "touchstone_chassis" in frame.f_code.co_filename:
            found.append(f"{frame.f_code.co_filename.rpartition('touchstone_chassis/')[2]}:{frame.f_code.co_name}")
        frame = frame.f_back
    return found


@pytest.fixture
def seen(behaviour) -> dict[str, list[str]]:
    """By the id that a handler runs for, the stack that it runs on."""
    stacks: dict[str, list[str]] = {}
    for id in ("called", "told", "due#1", "taken"):
        behaviour[id] = lambda id=id: stacks.__setitem__(id, frames_of_ours(sys._getframe()))
    return stacks


def test_a_command_runs_on_few_frames(seen, bus, issuer):
    bus.call("name_thing", issuer.token(), id="called", label="x", idempotency_key="k")

    assert 0 < len(seen["called"]) < FRAMES_MAX, seen["called"]


def test_an_event_runs_on_few_frames(seen, bus):
    event = BodyAccredited(
        body_id="told", name="B", standards=[], countries=[], activities=[], valid_from=DAY, valid_until=DAY
    )
    now = datetime.datetime.now(datetime.UTC)
    bus.publish_event(wrap(event, id=uuid.uuid4().hex, time=now, sequence=1, correlation_id="c-1"))

    stack = eventually(lambda: seen.get("told"))
    assert 0 < len(stack) < FRAMES_MAX, stack


def test_a_job_runs_on_few_frames(seen, bus, issuer):
    bus.call("remind", issuer.token(), id="due", idempotency_key="k")

    stack = eventually(lambda: seen.get("due#1"))
    assert 0 < len(stack) < FRAMES_MAX, stack


def test_a_message_runs_on_few_frames(seen, bus, issuer):
    headers = {"authorization": issuer.token(ASSESSOR, cab="dnv")}
    body = {"id": "taken", "label": "x"}
    bus.put("toy.intake", body, content_type="application/json", message_id=uuid.uuid4().hex, headers=headers)

    stack = eventually(lambda: seen.get("taken"))
    assert 0 < len(stack) < FRAMES_MAX, stack
