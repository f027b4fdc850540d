"""What cannot be copied is moved by the broker itself, or kept where it is: never tried for ever."""

from typing import Any

import amqp
import eventlet
import pytest
from nameko import config

from touchstone_chassis.amqp.publisher import Outcome, Outgoing
from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.retry import RetryPolicy

pytestmark = pytest.mark.usefixtures("fixed_time")


class ConsumerChannels:
    """Stands for the consumer and its session: notes what the broker would be told of a delivery."""

    in_flight, draining, closed = 1, False, False

    def __init__(self) -> None:
        self.told: list[str] = []

    def settle(self, message: Any, *, ack: bool) -> None:
        self.told.append("ack" if ack else "reject")


class SmallBroker:
    """A publisher to a broker whose limit was lowered: it closes the channel over each message."""

    last_error = "PreconditionFailed"

    def publish(self, messages: list[Outgoing]) -> list[Outcome]:
        return [Outcome.UNKNOWN]


def parking_at_a_small_broker() -> RetryPolicy:
    retry_policy = RetryPolicy()
    vars(retry_policy).update(publisher=SmallBroker(), _service="toy")
    return retry_policy


def a_delivery(session: ConsumerChannels) -> Delivery:
    message = amqp.Message(b"{}", application_headers={}, message_id="m-1")
    message.delivery_info = {"routing_key": "q", "exchange": "", "delivery_tag": 1}
    return Delivery("q", message, session)  # type: ignore[arg-type]


def test_what_is_too_large_to_be_published_again_is_dead_lettered_by_the_broker():
    session = ConsumerChannels()

    parking_at_a_small_broker().dead_letter(a_delivery(session), "schema", "broken")

    assert session.told == ["reject"]


def test_what_is_too_large_to_be_put_back_is_left_to_be_kept():
    session = ConsumerChannels()
    delivery = a_delivery(session)

    return_to_queue = parking_at_a_small_broker().return_to_queue(delivery, "q")

    assert not return_to_queue
    assert session.told == [] and not delivery.settled


@pytest.mark.parametrize("give_up", [False, True], ids=["a failure", "given up at once"])
def test_what_was_too_large_to_be_taken_is_never_copied_but_moved_whole_by_the_broker(give_up):
    session, broker = ConsumerChannels(), Broker(Outcome.CONFIRMED)
    vars(retry_policy := RetryPolicy()).update(publisher=broker, _service="toy")
    delivery = a_delivery(session)
    delivery.message.body, delivery.message.body_size = "", 10_000_000

    with config.patch({"retry_delays_s": [1]}):
        if give_up:
            retry_policy.dead_letter(delivery, "too_large", "10000000 bytes")
        else:
            retry_policy.retry_or_dead_letter(delivery, ValueError("no"))

    assert (session.told, broker.asked) == (["reject"], 0)


class Broker:
    """A publisher to a broker that says the same of each message, but for some exchanges."""

    last_error = None

    def __init__(self, outcome: Outcome, **outcomes: Outcome):
        self.outcome, self.outcomes, self.asked = outcome, outcomes, 0
        self.taken: list[Outgoing] = []

    def publish(self, messages: list[Outgoing]) -> list[Outcome]:
        self.asked += 1
        assert self.asked < 20, "it is tried again and again"
        outcome = next((o for name, o in self.outcomes.items() if name in messages[0].exchange), self.outcome)
        self.taken += messages if outcome is Outcome.CONFIRMED else []
        return [outcome]


@pytest.mark.parametrize("outcome", [Outcome.RETURNED, Outcome.REFUSED])
def test_what_its_queue_does_not_take_back_is_left_to_be_kept(outcome, monkeypatch):
    monkeypatch.setattr(eventlet, "sleep", lambda _s: None)
    session, broker = ConsumerChannels(), Broker(outcome)
    delivery, retry_policy = a_delivery(session), RetryPolicy()
    vars(retry_policy).update(publisher=broker, _service="toy")

    return_to_queue = retry_policy.return_to_queue(delivery, "q")

    assert not return_to_queue and broker.asked == 1
    assert session.told == [] and not delivery.settled


def test_what_no_retry_queue_takes_is_dead_lettered_and_holds_no_worker_for_ever(monkeypatch):
    monkeypatch.setattr(eventlet, "sleep", lambda _s: None)
    session, broker = ConsumerChannels(), Broker(Outcome.CONFIRMED, retry=Outcome.RETURNED)
    vars(retry_policy := RetryPolicy()).update(publisher=broker, _service="toy")

    with config.patch({"retry_delays_s": [1]}):
        outcome = retry_policy.retry_or_dead_letter(a_delivery(session), ValueError("no"))

    assert (outcome, session.told) == ("dead_lettered", ["ack"])
    assert [message.headers["touchstone-reason"] for message in broker.taken] == ["not_retried"]


def test_what_no_dead_letter_queue_takes_is_left_to_the_broker_and_holds_no_worker_for_ever(monkeypatch):
    monkeypatch.setattr(eventlet, "sleep", lambda _s: None)
    session = ConsumerChannels()
    vars(retry_policy := RetryPolicy()).update(publisher=Broker(Outcome.RETURNED), _service="toy")

    retry_policy.dead_letter(a_delivery(session), "schema", "broken")

    assert session.told == ["reject"]
