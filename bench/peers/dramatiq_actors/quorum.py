"""Dramatiq's connection to RabbitMQ with quorum queues and confirmed messages, for the services and for the clients."""

from typing import Any

from dramatiq.brokers.rabbitmq import RabbitmqBroker

ASSESSMENT, CERTIFICATION, NOTIFICATION = "dramatiq_assessment", "dramatiq_certification", "dramatiq_notification"


class QuorumBroker(RabbitmqBroker):
    """The stock broker; its queues and their delay queues are quorum queues.

    Dramatiq has no setting for the type of a queue (2.2), so this adds to the arguments with which it declares them.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url=url, confirm_delivery=True)

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)
        return arguments | {"x-queue-type": "quorum"}
