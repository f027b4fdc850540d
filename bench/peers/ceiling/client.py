"""Submits by RPC over bare pika: one connection, one exclusive queue for all answers; nothing is ever refused."""

import itertools
from typing import Any

import orjson
import pika


class Client:
    """A blocking client for one thread."""

    def __init__(self, amqp_uri: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(amqp_uri))
        self._channel = self._connection.channel()
        self._answers = self._channel.queue_declare("", exclusive=True).method.queue
        self._channel.basic_consume(self._answers, self._answered, auto_ack=True)
        self._numbers = map(str, itertools.count())
        self._awaited, self._answer = "", b""

    def submit(self, report: dict[str, Any], token: str) -> str:
        self._awaited, self._answer = next(self._numbers), b""
        properties = pika.BasicProperties(reply_to=self._answers, correlation_id=self._awaited)
        body = orjson.dumps({"report": report, "token": token})
        self._channel.basic_publish("", "submissions", body, properties)
        while not self._answer:
            self._connection.process_data_events(time_limit=None)
        audit_id: str = orjson.loads(self._answer)["audit_id"]
        return audit_id

    def close(self) -> None:
        self._connection.close()

    def _answered(self, _: Any, __: Any, properties: pika.BasicProperties, body: bytes) -> None:
        if properties.correlation_id == self._awaited:
            self._answer = body


def connect(amqp_uri: str) -> Client:
    return Client(amqp_uri)
