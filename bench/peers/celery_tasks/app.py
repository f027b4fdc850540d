"""The Celery application: quorum queues, late acknowledgement, confirmed messages, answers through `rpc://`.

Also the three services as its tasks. A task is acknowledged after its work is durable and what follows is confirmed.
"""

import functools
import os
from typing import Any

import steps
from celery import Celery
from kombu import Exchange, Queue

ASSESSMENT, CERTIFICATION, NOTIFICATION = "celery_assessment", "celery_certification", "celery_notification"
THREADS = 16
_EXCHANGE = Exchange("celery_tasks", type="topic")


def application(amqp_uri: str) -> Celery:
    """An application of its own, with connections of its own."""
    app = Celery("bench", broker=amqp_uri, backend="rpc://", set_as_current=False)
    app.conf.update(
        task_queues=[
            Queue(name, _EXCHANGE, routing_key=name, queue_arguments={"x-queue-type": "quorum"})
            for name in (ASSESSMENT, CERTIFICATION, NOTIFICATION)
        ],
        task_routes={
            "submit": {"queue": ASSESSMENT},
            "decide": {"queue": CERTIFICATION},
            "notice": {"queue": NOTIFICATION},
        },
        task_default_queue=ASSESSMENT,
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

assessing = functools.cache(steps.Assessing)
certifying = functools.cache(steps.Certifying)
noticing = functools.cache(steps.Noticing)


@app.task(name="submit")
def submit(report: dict[str, Any], token: str) -> str:
    event = assessing().submit(report, token)
    decide.delay(event)
    audit_id: str = event["audit_id"]
    return audit_id


# Nobody waits for an answer of these two, so they are tried again.
@app.task(name="decide", ignore_result=True, autoretry_for=(Exception,), retry_backoff=True, max_retries=None)
def decide(accepted: dict[str, Any]) -> None:
    notice.delay(certifying().decide(accepted))


@app.task(name="notice", ignore_result=True, autoretry_for=(Exception,), retry_backoff=True, max_retries=None)
def notice(issued: dict[str, Any]) -> None:
    noticing().notice(issued)
