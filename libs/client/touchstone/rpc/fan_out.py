"""Asks all services the same and goes on when one of them is silent: what it would have said is then unknown."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from touchstone.rpc.blocking import BrokerUnreachable
from touchstone.rpc.client import Client, MalformedReply, NoAnswer
from touchstone.rpc.connection import UnknownService
from touchstone_contracts.errors import Refusal, Unavailable, UnknownMethod
from touchstone_contracts.services import SERVICES

ANSWER_WITHIN_S = 5.0
_IDS_AT_ONCE = 200
_SILENCE = (UnknownService, NoAnswer, MalformedReply, BrokerUnreachable, Unavailable, UnknownMethod)

Found = tuple[str, dict[str, Any]]
"""A service and an item of its answer."""


def pages(ask: Callable[..., Any], **arguments: Any) -> Iterator[dict[str, Any]]:
    """The pages of a method that answers page by page, up to the last, or to one that does not come (None).

    A service that names the same page again, which none should, is asked no further.
    """
    after: dict[str, str] = {}
    while (page := ask(**arguments, **after)) is not None:
        yield page
        if not page["next"] or page["next"] == after.get("after"):
            return
        after = {"after": page["next"]}


class FanOut:
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
        for page in pages(functools.partial(self.ask, service, method), **arguments):
            yield from page["items"]

    def find_events(self, selector: str, ids: Iterable[str], services: Iterable[str] = SERVICES) -> Iterator[Found]:
        """`find_events` of each service for any number of `ids`, `subjects` or causes (`caused_by`)."""
        for part in _parts(ids):
            for service in services:
                for item in self.every(service, "find_events", **{selector: part}):
                    yield service, item

    def trace(self, service: str, ids: Iterable[str]) -> dict[str, Any]:
        """`trace_events` for any number of ids; nothing where the service is silent."""
        found: dict[str, Any] = {"processed": [], "dead_letters": [], "consumes": []}
        for part in _parts(ids):
            if (answer := self.ask(service, "trace_events", ids=part)) is None:
                break
            found = {name: found[name] + answer[name] for name in ("processed", "dead_letters")} | {
                "consumes": answer["consumes"]
            }
        return found


def _parts(ids: Iterable[str]) -> list[list[str]]:
    all_ids = list(ids)
    return [all_ids[start : start + _IDS_AT_ONCE] for start in range(0, len(all_ids), _IDS_AT_ONCE)]


def _why(failure: Exception) -> str:
    if isinstance(failure, NoAnswer):
        return f"it did not answer within {ANSWER_WITHIN_S:g} s"
    return failure.message if isinstance(failure, Refusal) else str(failure)
