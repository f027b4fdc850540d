"""A message is known again by its id, its body and its life; a second copy of a dead letter by nothing else."""

from typing import Any

import amqp
import pytest

from touchstone_chassis.amqp.publisher import Outcome, Outgoing
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.fingerprint import fingerprint
from touchstone_chassis.consuming.retry import RetryPolicy

pytestmark = pytest.mark.usefixtures("fixed_time")


def a_delivery(body: bytes = b"{}", headers: dict[str, Any] | None = None, **properties: Any) -> Delivery:
    message = amqp.Message(body, application_headers=headers or {}, **properties)
    message.delivery_info = {"routing_key": "q", "exchange": "", "delivery_tag": 1}
    return Delivery("q", message, Connection(), received_at=0.0)  # type: ignore[arg-type]


class Connection:
    """Stands for the consumer and its session; a drain has begun."""

    in_flight, draining = 1, True

    def tell(self, message: Any, what: Any) -> None: ...


class LostConfirms:
    """A publisher whose messages arrive and whose confirms do not."""

    last_error: str | None = "ConfirmTimeout"

    def __init__(self) -> None:
        self.arrived: list[Outgoing] = []

    def publish(self, messages: list[Outgoing]) -> list[Outcome]:
        self.arrived += messages
        return [Outcome.UNKNOWN]


def test_each_delivery_of_a_message_has_the_same_identity():
    first, again = a_delivery(message_id="m-1"), a_delivery(message_id="m-1", headers={"x-delivery-count": 3})

    assert fingerprint(first, "q") == fingerprint(again, "q")


@pytest.mark.parametrize(
    "other",
    [
        a_delivery(message_id="m-2"),
        a_delivery(b"[]", message_id="m-1"),
        a_delivery(message_id="m-1", headers={"touchstone-attempt": 1}),
        a_delivery(message_id="m-1", headers={"touchstone-replays": 1}),
    ],
    ids=["another id", "another body", "a retry", "a replay"],
)
def test_another_message_and_another_life_have_another_identity(other):
    assert fingerprint(other, "q") != fingerprint(a_delivery(message_id="m-1"), "q")


@pytest.mark.parametrize(("properties", "copies_known"), [({"message_id": "m-1"}, True), ({}, False)])
def test_a_second_copy_of_a_dead_letter_bears_the_first_ones_tag_where_the_message_has_an_id(properties, copies_known):
    retry_policy, publisher = RetryPolicy(), LostConfirms()
    vars(retry_policy).update(publisher=publisher, _service="toy")

    for _delivered_again in range(2):
        retry_policy.dead_letter(a_delivery(**properties), "schema", "broken")

    tags = [message.tag for message in publisher.arrived]
    assert (tags[0] == tags[1]) is copies_known


def test_a_header_whose_name_is_no_text_keeps_nobody_from_putting_its_message_back():
    retry_policy, publisher = RetryPolicy(), LostConfirms()
    vars(retry_policy).update(publisher=publisher, _service="toy")
    headers = {b"\xff": "x", "x-death": [], "x-delivery-count": 50, "mine": 1}

    retry_policy.return_to_queue(a_delivery(headers=headers, message_id="m-1"), "q")

    assert [set(message.headers) for message in publisher.arrived] == [{b"\xff", "mine"}]
