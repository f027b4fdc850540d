"""The queues of the FastStream peer, for the services and for the clients.

FastStream's way to try again is to put a message back at once. RabbitMQ drops one from a quorum queue after 20 times,
which a short failure of the database would use up: hence no limit.
"""

from faststream.rabbit import QueueType, RabbitQueue

ASSESSMENT, CERTIFICATION, NOTIFICATION = (
    RabbitQueue(f"faststream_{service}", queue_type=QueueType.QUORUM, durable=True, arguments={"x-delivery-limit": -1})
    for service in ("assessment", "certification", "notification")
)
