"""Submits by nameko's stock standalone client."""

from typing import Any

from kombu.pools import set_limit
from nameko.standalone.rpc import ServiceRpcClient

set_limit(1_000)  # kombu's pool, 10 by default, is shared by all threads: no submitter waits for another's connection


class Client:
    """One stock client; it publishes over a connection of kombu's pool and opens another for each reply."""

    def __init__(self, amqp_uri: str) -> None:
        self._rpc = ServiceRpcClient("assessment", uri=amqp_uri)
        self._service = self._rpc.start()

    def submit(self, report: dict[str, Any], token: str) -> str:
        return self._service.submit(report, token)

    def close(self) -> None:
        self._rpc.stop()
