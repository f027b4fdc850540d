"""Submits reports to the Celery peer: a task by name, and its result through `rpc://`.

Each client is an application of its own, so that no pool and no result consumer is shared. Celery itself makes two
connections of it: one that publishes and one on which results arrive.
"""

from typing import Any

from serve import application

TIMEOUT_S = 60


class Client:
    """One submitter. To be used in the thread that made it: Celery keeps a result queue per thread."""

    def __init__(self, amqp_uri: str) -> None:
        self._app = application(amqp_uri)
        with self._app.producer_or_acquire() as producer:
            producer.connection.ensure_connection()
        self._results = self._app.backend.result_consumer
        self._results.start("")

    def submit(self, report: dict[str, Any], token: str) -> str:
        """The audit's id, once it is durable. Raises what the task raised, or celery's TimeoutError after a minute."""
        return self._app.send_task("submit", (report, token)).get(timeout=TIMEOUT_S)

    def close(self) -> None:
        self._results.stop()
        self._app.close()
