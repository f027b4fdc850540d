"""A plain nameko service of the pipeline: `@rpc` takes audits, events go over quorum queues, one commit per message.

    python serve.py assessment|certification|notification

Everything is nameko's own: its RPC server, and `nameko.messaging` Consumer and Publisher in place of its event handler,
which declares classic queues. Publishers confirm and persist, as nameko's do unless told otherwise.
"""

# ruff: noqa: E402
import eventlet

eventlet.monkey_patch()

import os
import signal
import sys
from typing import Any

import steps
from kombu import Exchange, Queue
from kombu.pools import set_limit
from nameko import config
from nameko.extensions import DependencyProvider
from nameko.messaging import Publisher, consume
from nameko.rpc import rpc
from nameko.runners import ServiceRunner

WORKERS = 20
EVENTS = Exchange("bench", type="direct", durable=True)
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}
ACCEPTED, ISSUED = (
    Queue(name, EVENTS, routing_key=name, durable=True, queue_arguments=QUORUM) for name in ("accepted", "issued")
)


class Step(DependencyProvider):
    """The durable step of the service; pymongo's client is shared by all workers."""

    def setup(self) -> None:
        self._step = steps.step(self.container.service_name)

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self._step


class AssessmentService:
    name = "assessment"
    step = Step()
    publish = Publisher(exchange=EVENTS, declare=[ACCEPTED], routing_key="accepted")

    @rpc
    def submit(self, report: dict[str, Any], token: str) -> str:
        accepted = self.step.submit(report, token)
        self.publish(accepted)
        return accepted["audit_id"]


class CertificationService:
    name = "certification"
    step = Step()
    publish = Publisher(exchange=EVENTS, declare=[ISSUED], routing_key="issued")

    @consume(ACCEPTED, requeue_on_error=True)
    def decide(self, accepted: dict[str, Any]) -> None:
        self.publish(self.step.decide(accepted))


class NotificationService:
    name = "notification"
    step = Step()

    @consume(ISSUED, requeue_on_error=True)
    def notice(self, issued: dict[str, Any]) -> None:
        self.step.notice(issued)


SERVICES = {service.name: service for service in (AssessmentService, CertificationService, NotificationService)}


def main() -> None:
    config["AMQP_URI"] = os.environ["AMQP_URI"]
    config["max_workers"] = config["PREFETCH_COUNT"] = WORKERS
    set_limit(2 * WORKERS)  # kombu's pool of producers, 10 by default: no worker waits for a connection
    runner = ServiceRunner()
    runner.add_service(SERVICES[sys.argv[1]])
    signal.signal(signal.SIGTERM, lambda *_: eventlet.spawn_n(runner.stop))
    runner.start()
    print("ready", flush=True)
    eventlet.spawn(runner.wait).wait()


if __name__ == "__main__":
    main()
