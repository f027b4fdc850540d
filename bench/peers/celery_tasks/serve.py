"""Runs one service as a Celery worker until SIGTERM: python serve.py assessment|certification|notification.

One process with a pool of threads; no gossip, no mingling, no events, no remote control. Quorum queues, late
acknowledgement: a task is acknowledged after its work is durable and what follows is confirmed; answers by `rpc://`.
"""

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from kombu import Exchange, Queue
from steps import STEPS, step

QUEUES = {service: f"celery_{service}" for service in STEPS}
THREADS = 16
_EXCHANGE = Exchange("celery_tasks", type="topic")
_QUORUM = {"x-queue-type": "quorum"}


def application(amqp_uri: str) -> Celery:
    """An application of its own, with connections of its own."""
    app = Celery("bench", broker=amqp_uri, backend="rpc://", set_as_current=False)
    tasks = zip(("submit", "decide", "notice"), QUEUES.values(), strict=True)
    app.conf.update(
        task_queues=[Queue(q, _EXCHANGE, routing_key=q, queue_arguments=_QUORUM) for q in QUEUES.values()],
        task_routes={task: {"queue": queue} for task, queue in tasks},
        task_default_queue=QUEUES["assessment"],
        task_default_queue_type="quorum",
        task_default_exchange=_EXCHANGE.name,
        task_default_exchange_type=_EXCHANGE.type,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        broker_transport_options={"confirm_publish": True},
        broker_pool_limit=THREADS,
        broker_connection_retry_on_startup=True,
        worker_enable_remote_control=False,
    )
    return app


app = application(os.environ["AMQP_URI"])
# Nobody waits for an answer of the last two, so they are tried again.
unanswered = {"ignore_result": True, "autoretry_for": (Exception,), "retry_backoff": True, "max_retries": None}


@app.task(name="submit")
def submit(report: dict[str, Any], token: str) -> str:
    event = step("assessment").submit(report, token)
    decide.delay(event)
    return event["audit_id"]


@app.task(name="decide", **unanswered)
def decide(accepted: dict[str, Any]) -> None:
    notice.delay(step("certification").decide(accepted))


@app.task(name="notice", **unanswered)
def notice(issued: dict[str, Any]) -> None:
    step("notification").notice(issued)


@worker_ready.connect
def say_ready(**_: Any) -> None:
    print("ready", flush=True)


def main() -> None:
    step(service := sys.argv[1])
    name, quiet = f"{service}-{os.getpid()}@bench", {"redirect_stdouts": False, "loglevel": "ERROR", "quiet": True}
    alone = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}
    worker = app.Worker(hostname=name, pool="threads", concurrency=THREADS, queues=[QUEUES[service]], **alone, **quiet)
    worker.start()
    sys.exit(worker.exitcode)


if __name__ == "__main__":
    main()
