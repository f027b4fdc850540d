"""Asks all services the same and goes on when one of them is silent: what it would have said is then unknown."""

from collections.abc import Iterator
from typing import Any

from touchstone.rpc.blocking import BrokerUnreachable
from touchstone.rpc.client import Client, MalformedReply, NoAnswer
from touchstone.rpc.connection import UnknownService
from touchstone_contracts.errors import Refusal, Unavailable, UnknownMethod

SERVICES = ("membership", "assessment", "certification", "notification")
ANSWER_WITHIN_S = 5.0
IDS_AT_ONCE = 200

_SILENCE = (UnknownService, NoAnswer, MalformedReply, BrokerUnreachable, Unavailable, UnknownMethod)


class Follower:
    """`silent` says of each service that did not answer why; it is asked no more."""

    def __init__(self, client: Client):
        self.silent: dict[str, str] = {}
        self._client = client

    def ask(self, service: str, method: str, **arguments: Any) -> Any | None:
        """The answer, or None from a service that is silent. Raises the Refusal of one that refuses."""
        if service in self.silent:
            return None
        try:
            return self._client.call(service, method, timeout_s=ANSWER_WITHIN_S, **arguments)
        except _SILENCE as failure:
            self.silent[service] = _why(failure)
            return None

    def every(self, service: str, method: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """All items of a method that answers page by page; fewer where the service falls silent."""
        after: str | None = None
        while True:
            page = self.ask(service, method, **arguments, **({"after": after} if after else {}))
            if page is None:
                return
            yield from page["items"]
            after = page["next"]
            if not after:
                return

    def trace(self, service: str, ids: list[str]) -> dict[str, Any]:
        """`trace_events` for any number of ids; nothing where the service is silent."""
        found: dict[str, Any] = {"processed": [], "dead_letters": [], "consumes": []}
        for start in range(0, len(ids), IDS_AT_ONCE):
            part = self.ask(service, "trace_events", ids=ids[start : start + IDS_AT_ONCE])
            if part is None:
                break
            found["processed"] += part["processed"]
            found["dead_letters"] += part["dead_letters"]
            found["consumes"] = part["consumes"]
        return found


def _why(failure: Exception) -> str:
    if isinstance(failure, NoAnswer):
        return f"it did not answer within {ANSWER_WITHIN_S:g} s"
    if isinstance(failure, Refusal):
        return failure.message
    return str(failure)
