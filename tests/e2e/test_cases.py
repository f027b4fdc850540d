"""Whoever is on call sees by two commands where each unfinished case stands and why, and the way of any case."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from importlib import resources
from typing import Any

import pika
import pytest

from touchstone_contracts.envelope import CONTENT_TYPE
from touchstone_contracts.events.assessment import CorrectiveActionPlanReviewed
from touchstone_contracts.topology import event_queue
from touchstone_devkit.demo.register import SECRETARIAT, Speaker
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import SPEAKERS, World, before_joining, stage
from touchstone_devkit.eventually import eventually
from touchstone_devkit.system.runner import MAIL_SINK
from touchstone_testing.event_keys import signed

REVIEWED: str = CorrectiveActionPlanReviewed.type_name  # type: ignore[attr-defined]


def touchstone(
    scheme: Scheme, *arguments: str, role: str = "operator", expect: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "touchstone.cli", *arguments, "--role", role],
        env={**os.environ, **scheme.environment, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == expect, done.stderr + done.stdout
    return done


def stuck(scheme: Scheme, *arguments: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = json.loads(touchstone(scheme, "cases", "stuck", "--json", *arguments).stdout)
    return lines


def line_of(scheme: Scheme, case: str | None, *arguments: str, state: str = "") -> dict[str, Any] | None:
    found = (line for line in stuck(scheme, *arguments) if line["case"] == case and state in line["state"])
    return next(found, None)


def way_of(scheme: Scheme, number: str, *, role: str = "operator") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(touchstone(scheme, "case", number, "--json", role=role).stdout)
    return found


def submit(scheme: Scheme, world: World, report: dict[str, Any] | None = None, *, body: Speaker | None = None) -> str:
    answer = scheme.register.call(
        body or world.body, "assessment.submit_audit_report", report=report or world.conforming()
    )
    return str(answer["audit_id"])


def accept(scheme: Scheme, audit_id: str) -> None:
    other = Speaker(SECRETARIAT.role, sub="secretariat-2")
    scheme.register.call(other, "assessment.accept_audit_report", audit_id=audit_id)


def test_the_way_of_a_finished_case_goes_from_submission_to_each_notice(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world("a minor, plan approved")
    outcome = scheme.travel(world)
    audit_id = str(outcome.audit_id)

    way = eventually(
        lambda: (found := way_of(scheme, audit_id)) and not [s for s in found["steps"] if s["kind"] == "gap"] and found,
        within_s=30,
    )
    by_number = way_of(scheme, str(way["certificate_number"]), role="secretariat")
    shown = touchstone(scheme, "case", audit_id).stdout

    texts = [(step["kind"], step["service"], step["depth"], step["text"]) for step in way["steps"]]
    assert [(kind, service, depth) for kind, service, depth, _ in texts[:5]] == [
        ("event", "assessment", 0),  # submitted
        ("event", "assessment", 0),  # accepted, by a person who saw it
        ("processed", "certification", 1),
        ("event", "certification", 1),  # issued, because it was accepted
        ("processed", "notification", 2),
    ]
    notices = [text for kind, service, depth, text in texts if (kind, service, depth) == ("event", "notification", 2)]
    assert len(notices) == len(world.contact_ids)
    assert {id for id in world.contact_ids if any(f"sent to {id} " in text for text in notices)} == world.contact_ids
    assert (way["unknown"], way["waits_for"]) == ({}, [])
    assert [s["text"] for s in by_number["steps"]] == [s["text"] for s in way["steps"]]
    assert "nothing is missing" in shown and max(map(len, shown.splitlines())) <= 120
    assert "@example.org" not in shown.replace("•••@example.org", "")


def test_a_report_that_nobody_looked_at_waits_for_the_secretariat(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world("a minor, plan approved")
    stage(scheme.register, world)
    audit_id = submit(scheme, world)

    line = line_of(scheme, audit_id)
    young = line_of(scheme, audit_id, "--older-than", "1h")
    way = way_of(scheme, audit_id)

    assert line and (line["state"], line["who"]) == ("report submitted", "Secretariat")
    assert young is None
    assert [waiting["state"] for waiting in way["waits_for"]] == ["report submitted"]


def test_a_case_without_its_member_and_one_whose_member_is_suspended_wait_for_the_registrar(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    unknown, suspended = new_world("a minor, plan approved"), new_world("a minor, plan approved")
    stage(scheme.register, before_joining(unknown))
    stage(scheme.register, suspended)
    scheme.register.call(
        SPEAKERS["registrar"], "membership.suspend", member_id=suspended.case.member_id, reasons=["Test."]
    )
    first, second = submit(scheme, unknown), submit(scheme, suspended)
    accept(scheme, first)
    accept(scheme, second)

    waiting = eventually(lambda: line_of(scheme, first, state="member unknown"), within_s=30, every_s=0.5)
    held = eventually(lambda: line_of(scheme, second, state="held"), within_s=30, every_s=0.5)

    assert (waiting["who"], waiting["service"]) == ("registrar", "certification")
    assert unknown.case.member_id in waiting["waits_for"]
    assert held["waits_for"] == f"member {suspended.case.member_id} to be in good standing"


def test_a_case_over_which_no_mandate_has_authority_waits_for_a_person(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world("a minor, plan approved")
    stage(scheme.register, world)
    signer = Speaker("assessor", cab=world.case.body_id, sub="secretariat-dev")
    audit_id = submit(scheme, world, body=signer)
    accept(scheme, audit_id)

    line = eventually(lambda: line_of(scheme, audit_id, state="decision open"), within_s=30, every_s=0.5)

    assert line["who"] == "Secretariat" and "a person's decision" in line["waits_for"]
    assert line["state"] == "decision open (row 7 says full)"


def test_a_plan_that_is_due_later_is_shown_only_with_all(scheme: Scheme, new_world: Callable[[str], World]) -> None:
    world = new_world("a minor, plan not approved")
    audit_id = str(scheme.travel(world).audit_id)

    line = line_of(scheme, audit_id, "--all")

    assert line and line["who"] is None and line["until"] == "2099-12-31"
    assert line_of(scheme, audit_id) is None


def test_a_parked_event_shows_itself_in_the_list_and_on_the_way(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world("a minor, plan approved")
    stage(scheme.register, world)
    audit_id = submit(scheme, world)
    text = resources.files("touchstone_contracts").joinpath(f"examples/{REVIEWED}.json").read_text()
    event = json.loads(text) | {"id": uuid.uuid4().hex}
    event["data"] = {"audit_id": audit_id, "criterion": "9.1"}
    body = json.dumps(event).encode()
    headers = signed(scheme.environment, "assessment", body)
    properties = pika.BasicProperties(
        content_type=CONTENT_TYPE, message_id=event["id"], delivery_mode=2, headers=headers
    )
    with pika.BlockingConnection(pika.URLParameters(scheme.amqp_uri)) as connection:
        connection.channel().basic_publish("", event_queue("certification", REVIEWED), body, properties)

    line = eventually(lambda: line_of(scheme, audit_id, state="event parked"), within_s=30, every_s=0.5)
    letter = next(word for word in line["waits_for"].split() if len(word) == 24)
    touchstone(scheme, "dead-letters", "discard", letter, "--why", "sent by a test")

    assert (line["service"], line["who"]) == ("certification", "operator")
    assert any("Secretariat" in other for other in line["also"])
    assert line_of(scheme, audit_id, state="event parked") is None


def test_a_mail_server_that_is_down_is_named_with_the_next_try(
    scheme: Scheme, new_world: Callable[[str], World], request: pytest.FixtureRequest
) -> None:
    if os.environ.get("TOUCHSTONE_SYSTEM") == "external":
        pytest.skip("the system is somebody else's: its mail server is not stopped")
    sink = request.getfixturevalue("system").processes[MAIL_SINK]
    world = new_world("a minor, plan approved")
    stage(scheme.register, world)
    audit_id = submit(scheme, world)
    sink.hold()
    try:
        accept(scheme, audit_id)

        def tried() -> dict[str, Any] | None:
            line = line_of(scheme, audit_id, "--all", state="notice pending")
            return line if line and "try 2" in line["waits_for"] else None

        line = eventually(tried, within_s=60, every_s=0.5)
        way = way_of(scheme, audit_id)
    finally:
        sink.release()

    assert "the mail server to take the mail to" in line["waits_for"] and "next at" in line["waits_for"]
    assert any("mail server" in waiting["waits_for"] for waiting in way["waits_for"])
    eventually(lambda: line_of(scheme, audit_id, "--all") is None, within_s=60, every_s=0.5)


def test_a_service_that_does_not_answer_is_said_and_the_others_are_shown(
    scheme: Scheme, new_world: Callable[[str], World], request: pytest.FixtureRequest
) -> None:
    if os.environ.get("TOUCHSTONE_SYSTEM") == "external":
        pytest.skip("the system is somebody else's: none of its processes is stopped")
    system = request.getfixturevalue("system")
    world = new_world("a minor, plan approved")
    stage(scheme.register, world)
    audit_id = submit(scheme, world)
    accept(scheme, audit_id)
    eventually(lambda: line_of(scheme, audit_id, "--all") is None, within_s=60, every_s=0.5)
    system.kill("certification", signal.SIGSTOP)
    try:
        lines = stuck(scheme)
        way = way_of(scheme, audit_id)
    finally:
        system.kill("certification", signal.SIGCONT)

    (silent,) = [line for line in lines if line["state"] == "no answer"]
    assert (silent["service"], silent["who"], silent["case"]) == ("certification", "operator", None)
    assert "did not answer" in way["unknown"]["certification"]
    assert [step["service"] for step in way["steps"]][:2] == ["assessment", "assessment"]
