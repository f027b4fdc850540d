"""A bus that delivers at least once, in any order: what is not acknowledged stays, what is not marked comes again."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from touchstone_contracts.topology import ServiceTopology, event_queue


@dataclasses.dataclass(frozen=True)
class Message:
    """One message in one queue. `about` is the id that it is known by; `sender` is set for commands by message."""

    queue: str
    about: str
    body: bytes
    sender: Any = None


class Bus:
    """A list of messages for each queue; whoever takes one picks any."""

    def __init__(self, topologies: Iterable[ServiceTopology]) -> None:
        self.waiting: list[Message] = []
        self._queues: dict[str, list[str]] = {}
        for topology in topologies:
            for event in topology.receives:
                self._queues.setdefault(event.type_name, []).append(event_queue(topology.service, event.type_name))

    def queues_of(self, type_name: str) -> list[str]:
        """Where events of that type go."""
        return self._queues.get(type_name, [])

    def publish(self, row: dict[str, Any]) -> None:
        """An outbox row, to each queue that is bound to its type."""
        for queue in self.queues_of(row["type"]):
            self.waiting.append(Message(queue, row["_id"].partition("/")[0], row["body"]))

    def put(self, message: Message) -> None:
        self.waiting.append(message)

    def acknowledge(self, message: Message) -> None:
        self.waiting.remove(message)
