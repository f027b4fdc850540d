"""A service of the pipeline on bare pika: a pool of threads, each with its own connection and one commit per message.

    python serve.py assessment|certification|notification

As pika's documentation has it: BlockingConnection, `basic_consume`, publisher confirms by `confirm_delivery`, an ack
when the work of a message is done; RPC as in RabbitMQ's tutorial, answers by the default exchange. Answers and requests
are transient and unconfirmed, since an answer is only sent once the audit is durable and its event confirmed.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika_peers import ACCEPTED, ISSUED, SUBMISSIONS, declare
from steps import step

THREADS, PREFETCH = 8, 4
PERSISTENT = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent, content_type="application/json")


class Consumer(threading.Thread):
    """One thread: takes messages of a queue, one after the other, and acknowledges each when it is done."""

    def __init__(self, queue: str, handler: "Handler") -> None:
        super().__init__(name=queue)
        self._connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URI"]))
        self._consuming, self._confirmed = self._connection.channel(), self._connection.channel()
        self._confirmed.confirm_delivery()
        self._consuming.basic_qos(prefetch_count=PREFETCH)
        self._handler = handler
        self._consuming.basic_consume(queue, self._take)

    def run(self) -> None:
        self._consuming.start_consuming()
        self._connection.close()

    def stop(self) -> None:
        self._connection.add_callback_threadsafe(self._consuming.stop_consuming)

    def publish(self, queue: str, event: dict[str, Any]) -> None:
        """Returns when the broker has it; raises when it has not."""
        self._confirmed.basic_publish("", queue, json.dumps(event).encode(), PERSISTENT, mandatory=True)

    def answer(self, request: pika.BasicProperties, answer: dict[str, Any]) -> None:
        properties = pika.BasicProperties(correlation_id=request.correlation_id)
        self._consuming.basic_publish("", request.reply_to, json.dumps(answer).encode(), properties)

    def _take(self, channel: BlockingChannel, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        self._handler(self, properties, json.loads(body))
        channel.basic_ack(method.delivery_tag)


Handler = Callable[[Consumer, Any, Any], None]


def assess(consumer: Consumer, properties: Any, request: dict[str, Any]) -> None:
    try:
        accepted = step("assessment").submit(**request)
    except Exception as refusal:  # the caller hears what is wrong
        consumer.answer(properties, {"error": f"{type(refusal).__name__}: {refusal}"})
        return
    consumer.publish(ACCEPTED, accepted)
    consumer.answer(properties, {"audit_id": accepted["audit_id"]})


SERVICES: dict[str, tuple[str, Handler]] = {
    "assessment": (SUBMISSIONS, assess),
    "certification": (ACCEPTED, lambda to, _, event: to.publish(ISSUED, step("certification").decide(event))),
    "notification": (ISSUED, lambda _, __, event: step("notification").notice(event)),
}


def main() -> None:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    step(service := sys.argv[1])
    declare()
    consumers = [Consumer(*SERVICES[service]) for _ in range(THREADS)]
    for consumer in consumers:
        consumer.start()
    print("ready", flush=True)
    while not stopped.wait(0.5):
        if not all(consumer.is_alive() for consumer in consumers):
            sys.exit("A consumer died.")
    for consumer in consumers:
        consumer.stop()
    for consumer in consumers:
        consumer.join()


if __name__ == "__main__":
    main()
