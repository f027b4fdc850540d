"""A plain nameko service of the pipeline: `@rpc` takes audits, events go over quorum queues, one commit per message.

    python serve.py assessment|certification|notification

Everything is nameko's own: its RPC server, and `nameko.messaging` Consumer and Publisher in place of its event handler,
which declares classic queues. Publishers confirm and persist, as nameko's do unless told otherwise.
Tried with 64 submitters: 10 (nameko's default), 20 and 50 workers with as much prefetch (BENCH_WORKERS). Their CPU and
throughput did not differ beyond the noise; taken: 20, so that waiting for servers never leaves the process idle.
"""

# ruff: noqa: E402
import eventlet

eventlet.monkey_patch()

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import steps
from kombu import Exchange, Queue
from kombu.pools import set_limit
from nameko import config
from nameko.extensions import DependencyProvider
from nameko.messaging import Publisher, consume
from nameko.rpc import rpc
from nameko.runners import ServiceRunner

WORKERS = int(os.environ.get("BENCH_WORKERS", "20"))
EVENTS = Exchange("bench", type="direct", durable=True)
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": -1}
ACCEPTED = Queue("accepted", EVENTS, routing_key="accepted", durable=True, queue_arguments=QUORUM)
ISSUED = Queue("issued", EVENTS, routing_key="issued", durable=True, queue_arguments=QUORUM)


class Step(DependencyProvider):
    """One of the durable steps; pymongo's client is shared by all workers."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def setup(self) -> None:
        self._step = self._kind()

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self._step


class AssessmentService:
    name = "assessment"
    step = Step(steps.Assessing)
    publish = Publisher(exchange=EVENTS, declare=[ACCEPTED], routing_key="accepted")

    @rpc
    def submit(self, report: dict[str, Any], token: str) -> str:
        accepted = self.step.submit(report, token)
        self.publish(accepted)
        audit_id: str = accepted["audit_id"]
        return audit_id


class CertificationService:
    name = "certification"
    step = Step(steps.Certifying)
    publish = Publisher(exchange=EVENTS, declare=[ISSUED], routing_key="issued")

    @consume(ACCEPTED, requeue_on_error=True)
    def decide(self, accepted: dict[str, Any]) -> None:
        self.publish(self.step.decide(accepted))


class NotificationService:
    name = "notification"
    step = Step(steps.Noticing)

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
