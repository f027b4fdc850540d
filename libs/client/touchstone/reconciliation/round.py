"""One round of a reconciliation: look, look again at what differs, and mend what can safely be mended."""

import dataclasses
import datetime
import itertools
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from touchstone.reconciliation.comparison import compare
from touchstone.reconciliation.ledger import Committed, Discrepancy, Mend, Snapshot
from touchstone.reconciliation.snapshot import Ask, Seeds, Span, take_snapshot

BATCH = 100
LONGEST = datetime.timedelta(days=1, minutes=5)
"""No look spans more."""


@dataclasses.dataclass(frozen=True)
class Terms:
    """How a round is carried out. `confirm_after_s`: how long after the first look the second one is taken."""

    mend: bool = False
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
    discrepancies: list[Discrepancy] = dataclasses.field(default_factory=list)
    mended: list[str] = dataclasses.field(default_factory=list)
    """Ids of events that were published again, and keys of deadlines that were set again."""
    refused: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    unfinished: dict[str, Committed] = dataclasses.field(default_factory=dict)
    """Events that some consumer has not handled yet, by id: the next round has to look at them, whatever their age."""

    @property
    def left(self) -> list[Discrepancy]:
        """The discrepancies about which nothing was done."""
        done = set(self.mended)
        return [d for d in self.discrepancies if d.mend is None or not set(d.mend.ids) <= done]

    def counts(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        for discrepancy in self.discrepancies:
            counted[discrepancy.kind] = counted.get(discrepancy.kind, 0) + 1
        return counted


def reconcile(ask: Ask, since: datetime.datetime, terms: Terms, carried: Seeds | None = None) -> Round:
    """Compare what happened from `since` on, and what is `carried` over from an earlier round.

    Raises what `ask` raises. Killed at any moment, the next round finds what this one had not mended yet.
    """
    counting = _Counting(ask)
    done = Round(since)
    for span in _spans(since):
        seen = _look(counting, terms, span, carried if carried and span[1] is None else Seeds())
        findings = compare(seen)
        done.unfinished |= findings.unfinished
        done.events += len(seen.committed)
        known = {discrepancy.id for discrepancy in done.discrepancies}
        confirmed = [d for d in _confirmed(counting, terms, findings.found.values()) if d.id not in known]
        confirmed.sort(key=lambda d: (d.service, d.kind, d.id))
        if terms.mend:
            _mend(counting, terms, confirmed, done)
        done.discrepancies += confirmed
    done.calls = counting.calls
    return done


def _spans(since: datetime.datetime) -> Iterator[Span]:
    """Days, so that no more is held in memory at once; what is carried over is looked at with the last one."""
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


def _look(ask: Ask, terms: Terms, span: Span | None, seeds: Seeds) -> Snapshot:
    grace = datetime.timedelta(seconds=terms.grace_s)
    return take_snapshot(ask, span=span, seeds=seeds, overdue_s=terms.overdue_s, grace=grace)


def _confirmed(ask: Ask, terms: Terms, found: Collection[Discrepancy]) -> list[Discrepancy]:
    """What a second look still shows: services are read one after the other, and go on meanwhile."""
    if not found:
        return []
    time.sleep(terms.confirm_after_s)
    seen = _look(ask, terms, None, Seeds.of(found))
    again = compare(seen)
    # Somebody may have sent it back, or edited or discarded it, since the first look: what is seen last counts.
    return [
        again.found.get(d.id, d)
        for d in found
        if d.id in again.found or (again.leaves_open(d.about) and not seen.held_back(d.about.get("event", "")))
    ]


def _mend(ask: Ask, terms: Terms, confirmed: Sequence[Discrepancy], done: Round) -> None:
    for batch in _mends(confirmed):
        kind = {"kind": batch.kind, "keys": list(batch.ids)} if batch.kind else {"ids": list(batch.ids)}
        answer = ask(batch.service, batch.method, why="reconcile: what ought to be there is not", **kind)
        done.mended += answer["restored" if batch.kind else "republished"]
        done.refused += [{"service": batch.service, **refused} for refused in answer["refused"]]
        time.sleep(len(batch.ids) / terms.rate_per_s)


def _mends(discrepancies: Sequence[Discrepancy]) -> Iterator[Mend]:
    """The mends of all discrepancies, each id once, in batches of one command each."""
    wanted: dict[tuple[str, str, str], dict[str, None]] = {}
    for mend in (discrepancy.mend for discrepancy in discrepancies):
        if mend is not None:
            wanted.setdefault((mend.service, mend.method, mend.kind), {}).update(dict.fromkeys(mend.ids))
    for (service, method, kind), ids in wanted.items():
        for batch in _batches(ids):
            yield Mend(service, method, tuple(batch), kind)


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch
