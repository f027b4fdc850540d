"""A start counts against a message when the process died of it, and not when it ended with putting the message off."""

import datetime
from typing import Any

import amqp
import pytest

from touchstone_chassis.consuming.delivery import Delivery
from touchstone_chassis.consuming.poison import ALONE_FROM, STARTS_MAX, PoisonDetector

pytestmark = pytest.mark.usefixtures("fixed_time")


class Counts:
    """The collection of starts."""

    def __init__(self) -> None:
        self.count = 0

    def __getitem__(self, name: str) -> "Counts":
        return self

    def with_options(self, **_options: Any) -> "Counts":
        return self

    def find_one(self, _criteria: Any) -> dict[str, Any] | None:
        return {"count": self.count} if self.count else None

    def update_one(self, _criteria: Any, change: dict[str, Any], upsert: bool) -> None:
        self.count += change["$inc"]["count"]


class RetryPolicy:
    """Notes what was given up."""

    def __init__(self) -> None:
        self.given_up: list[str] = []
        self.consumer = Connection()

    def dead_letter(self, delivery: Delivery, reason: str, error: str) -> None:
        self.given_up.append(reason)


class Connection:
    """Stands for the consumer and its channels."""

    in_flight, draining, closed = 1, False, False

    def defer(self, delivery: Delivery) -> None:
        """Handed on again."""


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def retry_policy() -> RetryPolicy:
    return RetryPolicy()


@pytest.fixture
def starts(counts: Counts, retry_policy: RetryPolicy) -> PoisonDetector:
    return PoisonDetector(counts, retry_policy, None, lambda: datetime.datetime.now(datetime.UTC))  # type: ignore[arg-type]


def a_delivery() -> Delivery:
    message = amqp.Message(b"{}", application_headers={}, message_id="m-1")
    message.delivery_info = {"routing_key": "q", "exchange": "", "delivery_tag": 1, "redelivered": True}
    return Delivery("q", message, Connection())  # type: ignore[arg-type]


@pytest.mark.parametrize("earlier", [0, ALONE_FROM, STARTS_MAX - 1])
def test_a_message_that_is_only_put_off_is_started_as_often_as_it_takes(starts, retry_policy, counts, earlier):
    counts.count = earlier
    delivery, started = a_delivery(), []

    for _round in range(3 * STARTS_MAX):
        with starts.watched(delivery) as admitted:
            started += [1] if admitted else []

    assert len(started) == 3 * STARTS_MAX and retry_policy.given_up == []
    assert counts.count == earlier + 1


def test_each_new_delivery_is_counted_and_given_up_after_the_last(starts, retry_policy, counts):
    started: list[int] = []

    for _death in range(STARTS_MAX + 5):
        with starts.watched(a_delivery()) as admitted:
            started += [1] if admitted else []

    assert len(started) == STARTS_MAX and retry_policy.given_up == ["process_died"] * 5
