"""Goes through rounds: subjects in rotating order, noisy rounds left out and made up for, failures told loudly."""

import collections
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.measuring import Run, is_noisy, measure
from bench.plan import TOUCHSTONE, Load, Setup, rotated
from bench.progress import Progress
from bench.subjects import Peer, Subject, Surroundings
from bench.touchstone_subject import Touchstone

FIRST = "first"
"""The label of the run whose only audit is the first of all, right after the start."""
Pythons = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Bench:
    """What every part gets. `pythons` are the peers' interpreters by name."""

    around: Surroundings
    pythons: Pythons
    progress: Progress
    warm_up: int
    repeat_until: float = math.inf
    """Of the monotonic clock; later, no round but the first of a part is begun."""

    def goes_on(self, number: int, rounds: int, runs: "Sequence[Run]") -> bool:
        """Whether round `number` is to be carried out: up to half as many more make up for discarded ones."""
        if number > 1 and time.monotonic() > self.repeat_until:
            return False
        return number <= rounds or (number <= rounds + rounds // 2 and not enough(runs, rounds))

    def start(self, name: str, setup: Setup) -> Subject:
        options = {"contacts": setup.contacts, "processes": setup.processes}
        if name == TOUCHSTONE:
            return Touchstone(self.around, **options)
        return Peer(self.around, name, self.pythons[name], **options)


def go_through(bench: Bench, names: Sequence[str], setups: Sequence[Setup], rounds: int) -> list[Run]:
    """All runs of `rounds` rounds, and of up to half as many more where some were discarded."""
    runs: list[Run] = []
    number = 0
    while bench.goes_on(number := number + 1, rounds, runs):
        bench.progress.round(number, rounds)
        for name in rotated(tuple(names), number):
            for setup in setups:
                runs += [run | {"round": number} for run in _of_one(bench, name, setup)]
        mark_discarded(runs)
    return runs


def mark_discarded(runs: Iterable[Run]) -> None:
    """A noisy run is discarded; with it every ratio of its round that would need it."""
    for run in runs:
        run["discarded"] = is_noisy(run)


def enough(runs: Sequence[Run], rounds: int) -> bool:
    """Whether every subject has so many runs of every load that were not discarded. Failures are not made up for."""
    kept = collections.Counter((run["subject"], run["label"]) for run in runs if not run["discarded"])
    return all(kept[run["subject"], run["label"]] >= rounds for run in runs if not run["faults"])


def attempt(bench: Bench, name: str, label: str, steps: Callable[..., list[Run] | Run], *given: Any) -> list[Run]:
    """What `steps(*given)` gives, or one run that failed: one subject that breaks must not cost the others."""
    try:
        found = steps(*given)
        return found if isinstance(found, list) else [found]
    except Exception as error:  # an edge: whatever a subject, the broker or the database may do
        failed = {"subject": name, "label": label, "faults": [f"{type(error).__name__}: {error}"]}
        bench.progress.failed(failed)
        return [failed]


def _of_one(bench: Bench, name: str, setup: Setup) -> list[Run]:
    def steps() -> list[Run]:
        subject = bench.start(name, setup)
        try:
            return _loads(bench, subject, setup)
        finally:
            subject.stop()

    return attempt(bench, name, setup.loads[0].label, steps)


def _loads(bench: Bench, subject: Subject, setup: Setup) -> list[Run]:
    first = measure(bench.around, subject, submitters=1, count=1) | {"label": FIRST}
    runs = [first | {"start_s": round(subject.start_s, 2)}]
    if "seconds" in first:
        runs[0]["first_notice_s"] = round(subject.start_s + first["seconds"], 2)
    runs[0]["foreign_share"] = None  # too short to tell
    if not first["faults"]:
        runs.append(measure(bench.around, subject, submitters=4, count=bench.warm_up) | {"label": "warm-up"})
        runs[-1]["foreign_share"] = None  # not counted, and so not discarded
    for load in setup.loads:
        if runs[-1]["faults"]:
            bench.progress.failed(runs[-1])
            break
        runs.append(_one(bench, subject, load, runs[-1]))
        bench.progress.done(runs[-1])
    if runs[-1]["faults"]:
        bench.progress.failed(runs[-1])
    return runs


def _one(bench: Bench, subject: Subject, load: Load, last: Run) -> Run:
    rate = load.rate if load.of_last is None else round(last["audits_per_s"] * load.of_last, 1)
    return measure(bench.around, subject, submitters=load.submitters, count=load.audits, rate=rate) | {
        "label": load.label
    }
