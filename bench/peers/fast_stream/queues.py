"""The queues of the FastStream peer, for the services and for the clients."""

from faststream.rabbit import QueueType, RabbitQueue

ASSESSMENT, CERTIFICATION, NOTIFICATION = (
    RabbitQueue(f"faststream_{service}", queue_type=QueueType.QUORUM, durable=True)
    for service in ("assessment", "certification", "notification")
)
