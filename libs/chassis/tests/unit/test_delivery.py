"""Handing messages on: whatever a handler raises, the right messages are given up."""

from typing import Any

import amqp
import pytest
from nameko.exceptions import ContainerBeingKilled

from touchstone_chassis.consuming.consumer import QueueConsumer
from touchstone_chassis.consuming.delivery import Delivery


class ConsumerChannels:
    """Stands for a connection; notes what the broker would be told."""

    def __init__(self) -> None:
        self.in_flight, self.told, self.draining, self.closed = 1, 0, False, False

    def settle(self, message: Any, *, ack: bool) -> None:
        self.told += 1


@pytest.mark.parametrize(
    ("error", "told"),
    [(ContainerBeingKilled(), 0), (ValueError("the message is to blame"), 1)],
    ids=["the process is ending", "the handler cannot take it"],
)
def test_only_a_message_that_cannot_be_taken_is_rejected(fixed_time, error, told):
    consumer, channels = QueueConsumer(), ConsumerChannels()

    def handler(delivery: Delivery) -> None:
        raise error

    consumer.register("q", handler)
    consumer.defer(Delivery("q", amqp.Message(b""), channels))  # type: ignore[arg-type]
    consumer._work.stop()

    consumer._work.run()

    assert (channels.told, channels.in_flight) == (told, 0)
