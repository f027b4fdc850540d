"""Dramatiq's connection to RabbitMQ with quorum queues and confirmed messages, for the services and for the clients."""

from typing import Any

from dramatiq.brokers.rabbitmq import RabbitmqBroker

QUEUES = {service: f"dramatiq_{service}" for service in ("assessment", "certification", "notification")}


class QuorumBroker(RabbitmqBroker):
    """The stock broker; its queues and their delay queues are quorum queues.

    Dramatiq has no setting for the type of a queue (2.2), so this adds to the arguments with which it declares them.
    """

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)
        return arguments | {"x-queue-type": "quorum"}
