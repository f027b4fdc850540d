"""A command repeated with its key is carried out once; an event that comes again has no second effect."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pika
import pytest

from touchstone.rpc.blocking import open_connection
from touchstone_contracts.topology import event_queue, events_exchange
from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme, decision_events
from touchstone_devkit.demo.worlds import World, stage
from touchstone_devkit.eventually import eventually
from touchstone_testing.event_keys import signed

TIMEOUT_S = 30
CONFORMING = "a minor, plan approved"
ACCEPTED = "assessment.audit_accepted.v1"


def test_a_repeat_after_the_next_step_still_gets_the_first_answer(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, world)
    key = uuid.uuid4().hex
    first = scheme.register.call(world.body, "assessment.submit_audit_report", key=key, report=world.report())
    scheme.register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=first["audit_id"])

    again = scheme.register.call(world.body, "assessment.submit_audit_report", key=key, report=world.report())

    assert again == first
    assert again["state"] == "submitted"


def publish_again(scheme: Scheme, message: dict[str, Any], ids: list[str]) -> None:
    """Publish an event of assessment once for each id, as its relay would."""
    with open_connection(scheme.amqp_uri) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for id in ids:
            body = json.dumps(message | {"id": id}).encode()
            properties = pika.BasicProperties(
                content_type="application/cloudevents+json",
                delivery_mode=2,
                message_id=id,
                type=message["type"],
                headers=signed(scheme.environment, "assessment", body),
            )
            channel.basic_publish(events_exchange("assessment"), "audit_accepted.v1", body, properties, mandatory=True)


def wait_until_consumed(scheme: Scheme, queue: str) -> None:
    with open_connection(scheme.amqp_uri) as connection:
        channel = connection.channel()
        eventually(lambda: channel.queue_declare(queue, passive=True).method.message_count == 0, within_s=TIMEOUT_S)


@pytest.mark.parametrize("same_id", [True, False], ids=["same message id", "other message ids"])
def test_an_accepted_audit_announced_again_and_again_has_one_certificate(
    scheme: Scheme, new_world: Callable[[str], World], same_id: bool
) -> None:
    world = new_world(CONFORMING)
    outcome = scheme.travel(world)
    (accepted,) = scheme.wire_tap.about(str(outcome.audit_id), ACCEPTED)

    publish_again(scheme, accepted, [accepted["id"] if same_id else uuid.uuid4().hex for _ in range(5)])
    wait_until_consumed(scheme, event_queue("certification", ACCEPTED))
    scheme.travel(new_world(CONFORMING))  # comes after them in the same queue

    certificates = scheme.register.every(None, "certification.list_certificates", member_id=world.case.member_id)
    notices = scheme.register.every(OPERATOR, "notification.list_notices", audit_id=outcome.audit_id)
    assert [c["number"] for c in certificates] == [outcome.certificate["number"]]  # type: ignore[index]
    assert len(decision_events(scheme.wire_tap, str(outcome.audit_id))) == 1
    assert sorted(n["contact_id"] for n in notices) == sorted(world.contact_ids)
