"""Orders events into a tree by what caused what, whatever order they came in; pure."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """An event as its producer's outbox knows it; `cause` is the id of the message that led to it.

    `foreign` marks one that is no part of the case and is here because it caused something in it, or was caused by it.
    """

    id: str
    service: str
    type: str
    at: datetime.datetime
    cause: str | None = None
    subject: str = ""
    published_at: datetime.datetime | None = None
    trigger: str = ""
    by: str = ""
    attempts: int = 0
    last_outcome: str | None = None
    foreign: bool = False
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False, compare=False)


@dataclasses.dataclass(frozen=True)
class Node:
    """An event, or (`event` None) a cause of which nobody has the event any more, with what came of it.

    `loops`: its cause stands below it, which cannot be; it is shown all the same.
    """

    id: str
    event: Event | None
    children: "tuple[Node, ...]" = ()
    loops: bool = False

    @property
    def at(self) -> datetime.datetime:
        """When it happened; of a missing cause, when the first thing happened that came of it."""
        return self.event.at if self.event else min(child.at for child in self.children)


def tree(events: Iterable[Event]) -> tuple[Node, ...]:
    """The roots, earliest first, each event once below its cause. Terminates and leaves nothing out on any input."""
    by_id = {event.id: event for event in sorted(events, key=_order)}
    below: dict[str, list[Event]] = {}
    for event in by_id.values():
        if event.cause:
            below.setdefault(event.cause, []).append(event)
    placed: set[str] = set()
    roots = [_grown(event, below, placed) for event in by_id.values() if not event.cause]
    roots += [_missing(cause, below, placed) for cause in below if cause not in by_id]
    for event in by_id.values():  # what is left is caused by itself, in the end
        if event.id not in placed:
            roots.append(dataclasses.replace(_grown(event, below, placed), loops=True))
    return tuple(sorted(roots, key=lambda node: (node.at, node.id)))


def _grown(event: Event, below: Mapping[str, list[Event]], placed: set[str]) -> Node:
    placed.add(event.id)
    return Node(event.id, event, _children(event.id, below, placed))


def _missing(cause: str, below: Mapping[str, list[Event]], placed: set[str]) -> Node:
    return Node(cause, None, _children(cause, below, placed))


def _children(id: str, below: Mapping[str, list[Event]], placed: set[str]) -> tuple[Node, ...]:
    return tuple(_grown(child, below, placed) for child in below.get(id, ()) if child.id not in placed)


def _order(event: Event) -> tuple[datetime.datetime, str]:
    return event.at, event.id
