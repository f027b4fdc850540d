"""Finds every way into the services by introspection, so that a new method, event or queue is covered by itself."""

import dataclasses
import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from marshmallow import Schema

import touchstone_contracts
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.handlers.messages import OnMessage
from touchstone_chassis.rpc.method import Method
from touchstone_contracts import roles
from touchstone_contracts.envelope import CONTENT_TYPE
from touchstone_contracts.topology import RPC_EXCHANGE, event_queue, rpc_queue
from touchstone_contracts.versions import versions

RPC, EVENT, COMMAND = "rpc", "event", "command"
_EXAMPLES = Path(touchstone_contracts.__file__).parent / "examples"


@dataclasses.dataclass(frozen=True)
class Entrance:
    """A way into a service: an RPC method, an event's queue, or a queue of commands.

    `exchange` and `routing_key` lead to `queue`; `caller` is the role of a token that is let in (None: none is asked).
    """

    kind: str
    service: str
    name: str
    queue: str
    exchange: str
    routing_key: str
    content_type: str
    schema: Schema
    caller: str | None = None
    event_class: Any = None
    changes: bool = True

    def __str__(self) -> str:
        return f"{self.service}.{self.name}" if self.kind == RPC else self.queue


def entrances() -> list[Entrance]:
    """All of all installed services, by name."""
    return sorted(_found(), key=str)


def example_of(event_class: Any) -> dict[str, Any]:
    """The golden example of an event: a whole message."""
    text = (_EXAMPLES / f"{event_class.type_name}.json").read_text()
    example: dict[str, Any] = json.loads(text)
    return example


def _found() -> Iterator[Entrance]:
    for offered in entry_points(group="touchstone.services"):
        service = offered.load()
        for method in dir(service):
            for entrypoint in getattr(getattr(service, method), "nameko_entrypoints", ()):
                yield from _entrances(service.name, method, entrypoint)


def _entrances(service: str, method: str, entrypoint: Any) -> Iterator[Entrance]:
    if isinstance(entrypoint, Method):
        yield Entrance(
            kind=RPC,
            service=service,
            name=method,
            queue=rpc_queue(service),
            exchange=RPC_EXCHANGE,
            routing_key=f"{service}.{method}",
            content_type="application/json",
            schema=entrypoint.schema,
            caller=None if tuple(entrypoint.roles) == roles.PUBLIC else entrypoint.roles[0],
            changes=entrypoint.changes,
        )
    elif isinstance(entrypoint, OnEvent):
        for event_class in (v for newest in entrypoint.event_classes for v in versions(newest)):
            queue, schema = event_queue(service, event_class.type_name), event_class.schema
            yield Entrance(EVENT, service, method, queue, "", queue, CONTENT_TYPE, schema, event_class=event_class)
    elif isinstance(entrypoint, OnMessage):
        queue, caller = entrypoint.queue, entrypoint.roles[0]
        yield Entrance(COMMAND, service, method, queue, "", queue, "application/json", entrypoint.schema, caller)
