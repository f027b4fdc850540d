"""Submits reports to the FastStream peer by its own RPC (`broker.request`, RabbitMQ's direct reply-to).

FastStream's broker object answers one request at a time (a lock around the reply consumer, which it opens and cancels
per request), so each submitter has a broker object, a connection and an event loop of its own.
"""

import asyncio
from typing import Any

from faststream.rabbit import Channel, RabbitBroker
from queues import ASSESSMENT

TIMEOUT_S = 60


class Refused(Exception):
    """The service took no such report; the message says why."""


class Client:
    """One submitter. To be used in one thread."""

    def __init__(self, amqp_uri: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._broker = RabbitBroker(amqp_uri, default_channel=Channel(on_return_raises=True), logger=None)
        self._loop.run_until_complete(self._broker.start())

    def submit(self, report: dict[str, Any], token: str) -> str:
        """The audit's id, once it is durable. Raises Refused, or TimeoutError after a minute."""
        answer = self._loop.run_until_complete(self._ask({"report": report, "token": token}))
        if "audit_id" not in answer:
            raise Refused(answer.get("refused", answer))
        audit_id: str = answer["audit_id"]
        return audit_id

    async def _ask(self, request: dict[str, Any]) -> Any:
        answer = await self._broker.request(request, ASSESSMENT, persist=True, timeout=TIMEOUT_S)
        return await answer.decode()

    def close(self) -> None:
        self._loop.run_until_complete(self._broker.stop())
        self._loop.close()


def connect(amqp_uri: str) -> Client:
    return Client(amqp_uri)
