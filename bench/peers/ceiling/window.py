"""Keeps what is written until all of its events are confirmed, in the order in which it came."""

import collections
import itertools
from typing import Any, NamedTuple


class Group(NamedTuple):
    """Messages whose documents are durable, with the events that announce them. `last`: the last one's delivery tag."""

    last: int
    events: list[bytes]
    answers: list[tuple[Any, bytes]]


class Window:
    """Groups that are announced and not yet confirmed. Events are counted from 1, as the broker's confirms do."""

    def __init__(self) -> None:
        self._published = 0
        self._open: collections.OrderedDict[int, None] = collections.OrderedDict()
        self._groups: collections.deque[tuple[int, Group]] = collections.deque()  # with the last event of each

    def announced(self, group: Group) -> None:
        """All events of the group are published now."""
        first, self._published = self._published + 1, self._published + len(group.events)
        self._open |= dict.fromkeys(range(first, self._published + 1))
        self._groups.append((self._published, group))

    def confirmed(self, tag: int, *, multiple: bool) -> None:
        """The broker has the event, or all up to this one."""
        for number in list(itertools.takewhile(tag.__ge__, self._open)) if multiple else [tag]:
            self._open.pop(number, None)

    def finished(self) -> list[Group]:
        """The groups, each once, before the first event that is not confirmed."""
        first_open = next(iter(self._open), self._published + 1)
        done = []
        while self._groups and self._groups[0][0] < first_open:
            done.append(self._groups.popleft()[1])
        return done
