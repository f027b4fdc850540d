"""One round of a reconciliation: look, look again at what differs, report, and mend what can safely be mended."""

import dataclasses
import datetime
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from touchstone.reconciliation.books import Committed, Difference, Findings, Look, Mend
from touchstone.reconciliation.comparison import compare
from touchstone.reconciliation.snapshot import SERVICES, Ask, Seeds, Span, look

BATCH = 100
REPORTED_MAX = 500
"""How many new differences of one service and one day a round reports one by one; the others come with the next."""
LONGEST = datetime.timedelta(days=1, minutes=5)
"""No look spans more."""


@dataclasses.dataclass(frozen=True)
class Terms:
    """How a round is carried out. `confirm_after_s`: how long after the first look the second one is taken."""

    mend: bool = False
    report: bool = True
    rate_per_s: float = 50.0
    grace_s: float = 60.0
    overdue_s: int = 300
    confirm_after_s: float = 2.0


@dataclasses.dataclass
class Round:
    """What came of one round."""

    since: datetime.datetime
    events: int = 0
    calls: int = 0
    differences: list[Difference] = dataclasses.field(default_factory=list)
    new: int = 0
    settled: list[str] = dataclasses.field(default_factory=list)
    mended: list[str] = dataclasses.field(default_factory=list)
    """Ids of events that were published again, and keys of deadlines that were set again."""
    refused: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    unfinished: dict[str, Committed] = dataclasses.field(default_factory=dict)
    """Events that some consumer has not handled yet, by id: the next round has to look at them, whatever their age."""

    @property
    def left(self) -> list[Difference]:
        """The differences about which nothing was done."""
        done = set(self.mended)
        return [d for d in self.differences if d.mend is None or not set(d.mend.ids) <= done]

    def counts(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        for difference in self.differences:
            counted[difference.kind] = counted.get(difference.kind, 0) + 1
        return counted


def reconcile(ask: Ask, since: datetime.datetime, terms: Terms, carried: Iterable[Committed] = ()) -> Round:
    """Compare what happened from `since` on, every difference that is open, and the events that are `carried` over.

    Raises what `ask` raises.

    Reports come first: killed at any moment, the next round finds what this one had not mended yet.
    """
    counting = _Counting(ask)
    done = Round(since)
    for span in _spans(since):
        is_last = span[1] is None
        seen = _look(counting, terms, span, _seeds_of(carried) if is_last else Seeds(), opened=is_last)
        findings = compare(seen)
        done.unfinished |= findings.unfinished
        done.events += len(seen.committed)
        known = {difference.id for difference in done.differences}
        found = seen.not_accepted(findings.found.values())
        confirmed = [d for d in seen.not_accepted(_confirmed(counting, terms, found)) if d.id not in known]
        confirmed.sort(key=lambda d: (d.service, d.kind, d.id))
        if terms.report:
            _report(counting, seen, confirmed, done)
            if is_last:
                _settle(counting, seen, findings, done)
        if terms.mend:
            _mend(counting, terms, confirmed, done)
        done.differences += confirmed
    done.calls = counting.calls
    return done


def _seeds_of(events: Iterable[Committed]) -> Seeds:
    seeds = Seeds()
    for event in events:
        seeds.events.setdefault(event.producer, set()).add(event.id)
    return seeds


def _spans(since: datetime.datetime) -> Iterator[Span]:
    """Days, so that no more is held in memory at once; what is open already is looked at with the last one."""
    now = datetime.datetime.now(datetime.UTC)
    while since + LONGEST < now:
        yield since, since + LONGEST
        since += LONGEST
    yield since, None


class _Counting:
    """Asks, and counts how often."""

    def __init__(self, ask: Ask):
        self._ask, self.calls = ask, 0

    def __call__(self, service: str, method: str, **arguments: Any) -> Any:
        self.calls += 1
        return self._ask(service, method, **arguments)


def _look(ask: Ask, terms: Terms, span: Span | None, seeds: Seeds, *, opened: bool = False) -> Look:
    grace = datetime.timedelta(seconds=terms.grace_s)
    return look(ask, span=span, seeds=seeds, opened=opened, overdue_s=terms.overdue_s, grace=grace)


def _confirmed(ask: Ask, terms: Terms, found: Sequence[Difference]) -> list[Difference]:
    """What a second look still shows: services are read one after the other, and go on meanwhile."""
    if not found:
        return []
    time.sleep(terms.confirm_after_s)
    seeds = Seeds()
    for difference in found:
        seeds.add(difference.service, difference.kind, difference.about)
    seen = _look(ask, terms, None, seeds)
    again = compare(seen)
    # Somebody may have sent it back, or edited or discarded it, since the first look: what is seen last counts.
    return [
        again.found.get(d.id, d)
        for d in found
        if d.id in again.found or (again.leaves_open(d.id, d.about) and not seen.held_back(d.about.get("event", "")))
    ]


def _report(ask: Ask, seen: Look, confirmed: Sequence[Difference], done: Round) -> None:
    for service in SERVICES:
        opened = {difference["id"] for difference in seen.states[service]["differences"]}
        new = [difference for difference in confirmed if difference.service == service and difference.id not in opened]
        for batch in _batches(new[:REPORTED_MAX]):
            answer = ask(service, "report_differences", found=[difference.as_report() for difference in batch])
            done.new += len(answer["new"])


def _settle(ask: Ask, seen: Look, findings: Findings, done: Round) -> None:
    found = {difference.id for difference in done.differences}
    for service in SERVICES:
        state = seen.states[service]
        opened = {d["id"]: d["about"] for d in [*state["differences"], *state["accepted"]] if d["id"] not in found}
        settled = [id for id, about in opened.items() if not findings.leaves_open(id, about)]
        for ids in _batches(settled):
            ask(service, "report_differences", settled=ids)
        done.settled += settled


def _mend(ask: Ask, terms: Terms, confirmed: Sequence[Difference], done: Round) -> None:
    for batch in _mends(confirmed):
        kind = {"kind": batch.kind, "keys": list(batch.ids)} if batch.kind else {"ids": list(batch.ids)}
        answer = ask(batch.service, batch.method, why="reconcile: what ought to be there is not", **kind)
        done.mended += answer["restored" if batch.kind else "republished"]
        done.refused += [{"service": batch.service, **refused} for refused in answer["refused"]]
        time.sleep(len(batch.ids) / terms.rate_per_s)


def _mends(differences: Sequence[Difference]) -> Iterator[Mend]:
    """The mends of all differences, each id once, in batches of one command each."""
    wanted: dict[tuple[str, str, str], dict[str, None]] = {}
    for mend in (difference.mend for difference in differences):
        if mend is not None:
            wanted.setdefault((mend.service, mend.method, mend.kind), {}).update(dict.fromkeys(mend.ids))
    for (service, method, kind), ids in wanted.items():
        for batch in _batches(ids):
            yield Mend(service, method, tuple(batch), kind)


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch
