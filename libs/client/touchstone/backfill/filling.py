"""Fills one consumer from the event logs of its producers: page by page, as fast as it handles them."""

import collections
import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

PAGE = 200
PAGES_AHEAD = 4
"""So many pages are sent before the first of them has to be handled."""
LOOKED_EVERY_S = 0.2
GIVEN_UP_AFTER_S = 60.0
"""A page of which nothing more is handled for so long is left: its dead letters say why."""

SURE_AFTER_S = 10.0
"""What got its id before the backfill began is committed by then, or never will be."""

Ask = Callable[..., Any]
"""Calls a method: `ask(service, method, **arguments)`."""


class NotReady(Exception):
    """The consumer cannot be filled now; the message says what stands in the way."""


@dataclasses.dataclass
class Producer:
    """How far one producer's log has come. `total` is what it has announced since it began: often, but not always,
    all that is to be sent."""

    name: str
    run: str
    total: int
    sent: int
    boundary: str
    done: bool = False


@dataclasses.dataclass
class Filled:
    """What came of a backfill: `left` are ids of events that the consumer had not handled when they were given up."""

    producers: list[Producer] = dataclasses.field(default_factory=list)
    left: list[str] = dataclasses.field(default_factory=list)

    @property
    def sent(self) -> int:
        return sum(producer.sent for producer in self.producers)


def backfill(
    ask: Ask, consumer: str, *, rate_per_s: float, wait_s: float, progress: Callable[[Producer], None]
) -> Filled:
    """Send every producer's history to `consumer`, and return when it is handled, and counted as handled.

    Killed at any moment, another call goes on behind the last page that was sent, and what is done is done. Raises
    NotReady when the consumer has not caught up with its queues within `wait_s`, and what `ask` raises.
    """
    consumed = caught_up(ask, consumer, wait_s)
    filled, begun_at = Filled(_begun(ask, consumer, consumed)), time.monotonic()
    for producer in filled.producers:
        progress(producer)
        waiting: collections.deque[dict[str, list[str]]] = collections.deque()
        for events in _pages(ask, consumer, producer, rate_per_s):
            waiting.append(events)
            if len(waiting) > PAGES_AHEAD:
                filled.left += _not_handled(ask, consumer, producer.run, waiting.popleft())
            progress(producer)
        for events in waiting:
            filled.left += _not_handled(ask, consumer, producer.run, events)
    caught_up(ask, consumer, wait_s)
    time.sleep(max(0.0, begun_at + SURE_AFTER_S - time.monotonic()))
    for producer in filled.producers:
        counted = ask(producer.name, "count_events", boundary=producer.boundary)["counts"]
        ask(consumer, "settle_counts", producer=producer.name, boundary=producer.boundary, counts=counted)
    return filled


def _begun(ask: Ask, consumer: str, consumed: dict[str, list[str]]) -> list[Producer]:
    """All producers, in the order in which they send.

    The one that comes last is asked first: as long as it is not done, a run is under way, and the others know it by its
    name and say whether they have come to its end.
    """
    producers: list[Producer] = []
    run: str | None = None
    for name, types in sorted(consumed.items(), reverse=True):
        begun = ask(name, "begin_backfill", consumer=consumer, types=types, run=run)
        run = run or begun["run"]
        producer = Producer(name, begun["run"], begun["total"], begun["sent"], begun["boundary"], begun["done"])
        producers.insert(0, producer)
    return producers


def caught_up(ask: Ask, consumer: str, wait_s: float) -> dict[str, list[str]]:
    """The event types that the consumer handles, by producer, once it has taken all that had come before.

    What the log holds must not overtake what comes by itself. Under load a queue is hardly ever empty together with
    all the others: each must have been so once. Raises NotReady.
    """
    give_up_at = time.monotonic() + wait_s
    seen_empty: set[str] = set()
    while True:
        target = ask(consumer, "get_backfill_target")
        missing = sorted(name for name, length in target["waiting"].items() if length is None)
        if missing:
            raise NotReady(f"{consumer} has no queue for {', '.join(missing)}: provision first.")
        seen_empty |= {name for name, length in target["waiting"].items() if length == 0}
        if not target["retrying"]:
            seen_empty.add("")
        behind = {*target["consumes"], ""} - seen_empty
        if not behind:
            break
        if time.monotonic() > give_up_at:
            names = ", ".join(sorted(name or "retries" for name in behind))
            raise NotReady(f"{consumer} has not caught up within {wait_s:g} s with {names}.")
        time.sleep(LOOKED_EVERY_S)
    by_producer: dict[str, list[str]] = {}
    for type_name in target["consumes"]:
        by_producer.setdefault(type_name.partition(".")[0], []).append(type_name)
    return by_producer


def _pages(ask: Ask, consumer: str, producer: Producer, rate_per_s: float) -> Iterator[dict[str, list[str]]]:
    """What went out with each page, by type."""
    while not producer.done:
        began = time.monotonic()
        page = ask(producer.name, "continue_backfill", consumer=consumer, run=producer.run, limit=PAGE)
        count = page["sent"] - producer.sent
        producer.sent, producer.done = page["sent"], page["done"]
        yield page["events"]
        time.sleep(max(0.0, count / rate_per_s - (time.monotonic() - began)))


def _not_handled(ask: Ask, consumer: str, run: str, events: dict[str, list[str]]) -> list[str]:
    """Waits until the consumer has handled all of a page; else those that it has not."""
    left: list[str] = [id for ids in events.values() for id in ids]
    looked_at, give_up_at = left, time.monotonic() + GIVEN_UP_AFTER_S
    while left:
        left = ask(consumer, "list_not_backfilled", run=run, events=events)["ids"]
        if len(left) < len(looked_at):
            looked_at, give_up_at = left, time.monotonic() + GIVEN_UP_AFTER_S
        if left and time.monotonic() > give_up_at:
            return left
        if left:
            time.sleep(LOOKED_EVERY_S)
    return []
