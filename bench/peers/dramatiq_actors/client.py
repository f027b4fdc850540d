"""Submits reports to the dramatiq peer: a confirmed publish of the request.

Dramatiq has no answers over RabbitMQ (results need Redis or Memcached), so `submit` returns once the broker has
confirmed the request: nothing was validated or written by then, and a refusal would reach nobody. That is in this
peer's favour: the other peers answer after the write. Each client has a broker object, so a connection, of its own.
"""

from typing import Any

from dramatiq import Message
from quorum import QUEUES, QuorumBroker

from assessment.domain.audits.audit import audit_id_of


class Client:
    """One submitter. To be used in the thread that made it: dramatiq keeps a connection per thread."""

    def __init__(self, amqp_uri: str) -> None:
        self._broker = QuorumBroker(url=amqp_uri, confirm_delivery=True)
        self._broker.declare_queue(QUEUES["assessment"], ensure=True)

    def submit(self, report: dict[str, Any], token: str) -> str:
        """The audit's id, which report and body make up, once the broker has the request for good."""
        to = {"queue_name": QUEUES["assessment"], "actor_name": "submit"}
        self._broker.enqueue(Message(args=(report, token), kwargs={}, options={}, **to))
        return audit_id_of(report["body_id"], report["report_id"])

    def close(self) -> None:
        self._broker.close()
