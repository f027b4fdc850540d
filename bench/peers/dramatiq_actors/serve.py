"""Runs one service as a dramatiq worker until SIGTERM: python serve.py assessment|certification|notification.

Each actor does its durable work, sends on what follows, and is acknowledged then. A refused report is not tried again
and goes to the dead letters; whatever else fails is tried again by dramatiq's own middleware.

One process with worker threads, dramatiq's usual middleware, encoder and prefetch (twice the threads).
"""

import os
import signal
import sys
import threading
import time
from typing import Any

import dramatiq
from quorum import QUEUES, QuorumBroker
from steps import step

from touchstone_contracts.errors import Unauthenticated

THREADS = 16
broker = QuorumBroker(url=os.environ["AMQP_URI"], confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=QUEUES["assessment"], throws=(Unauthenticated, PermissionError, ValueError))
def submit(report: dict[str, Any], token: str) -> None:
    decide.send(step("assessment").submit(report, token))


@dramatiq.actor(queue_name=QUEUES["certification"])
def decide(accepted: dict[str, Any]) -> None:
    notice.send(step("certification").decide(accepted))


@dramatiq.actor(queue_name=QUEUES["notification"])
def notice(issued: dict[str, Any]) -> None:
    step("notification").notice(issued)


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    step(service := sys.argv[1])
    for name in broker.get_declared_queues():
        broker.declare_queue(name, ensure=True)
    worker = dramatiq.Worker(broker, queues={QUEUES[service]}, worker_threads=THREADS)
    worker.start()
    while worker.consumers[QUEUES[service]].consumer is None:
        time.sleep(0.01)
    print("ready", flush=True)
    stop.wait()
    worker.stop()
    broker.close()


if __name__ == "__main__":
    main()
