"""Handing messages on: whatever a handler raises, the right messages are given up."""

from typing import Any

import amqp
import pytest
from nameko.exceptions import ContainerBeingKilled

from touchstone_chassis.consuming.consumer import Delivery, QueueConsumer


class ConsumerChannels:
    """Stands for a connection; notes what the broker would be told."""

    def __init__(self) -> None:
        self.in_flight, self.told = 1, 0

    def settle(self, message: Any, *, ack: bool) -> None:
        self.told += 1


@pytest.mark.parametrize(
    ("error", "told"),
    [(ContainerBeingKilled(), 0), (ValueError("the message is to blame"), 1)],
    ids=["the process is ending", "the handler cannot take it"],
)
def test_only_a_message_that_cannot_be_taken_is_rejected(error, told):
    consumer, session = QueueConsumer(), ConsumerChannels()
    consumer.session = session  # type: ignore[assignment]

    def handler(delivery: Delivery) -> None:
        raise error

    consumer.register("q", handler)
    consumer.line_up(Delivery("q", amqp.Message(b""), consumer, session))  # type: ignore[arg-type]
    consumer._work.stop()

    consumer._work.run()

    assert (session.told, session.in_flight) == (told, 0)
