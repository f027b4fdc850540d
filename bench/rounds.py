"""Goes through rounds: subjects in rotating order, noisy rounds left out and made up for, failures told loudly."""

import collections
import contextlib
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import progress
from bench.measuring import Run, is_noisy, measure
from bench.plan import TOUCHSTONE, Comparison, Load, Plan, Setup, rotated
from bench.subjects import Subject, Surroundings, peer
from bench.touchstone_subject import touchstone

FIRST, WARM_UP = "first", "warm-up"
"""The runs right after the start: its only audit is the first of all; and one that nothing is judged by."""
Runs = Generator[Run, None, None]


class Bench(NamedTuple):
    """What every part gets. `pythons` are the peers' interpreters by name."""

    around: Surroundings
    plan: Plan
    pythons: Mapping[str, Path]
    repeat_until: float = math.inf
    """Of the monotonic clock; later, no round but the first of a part is begun."""

    def goes_on(self, number: int, rounds: int, runs: Sequence[Run]) -> bool:
        """Whether round `number` is to be carried out: up to half as many more make up for discarded ones."""
        if number > 1 and time.monotonic() > self.repeat_until:
            return False
        kept = collections.Counter((run["subject"], run["label"]) for run in runs if not run["discarded"])
        lacking = any(run["discarded"] and kept[run["subject"], run["label"]] < rounds for run in runs)
        return number <= rounds or (lacking and number <= rounds + rounds // 2)

    def start(self, name: str, setup: Setup) -> contextlib.AbstractContextManager[Subject]:
        options = {"contacts": setup.contacts, "processes": setup.processes}
        if name == TOUCHSTONE:
            return touchstone(self.around, **options)
        return peer(self.around, name, self.pythons[name], **options)


def in_rounds(bench: Bench, rounds: int, measured: Callable[[int], Runs]) -> Runs:
    """What `measured` gives of each round, counted from 1, and of up to half as many more where some were discarded."""
    runs: list[Run] = []
    number = 0
    while bench.goes_on(number := number + 1, rounds, runs):
        progress.say(f"round {number} of {rounds}")
        with contextlib.closing(measured(number)) as found:
            for run in found:
                runs.append(run | {"round": number, "discarded": is_noisy(run)})
                if run["faults"]:
                    progress.failed(run)
                elif run["label"] not in (FIRST, WARM_UP):
                    progress.done(run)
    yield from runs


def attempt(subject: str, label: str, steps: Runs) -> Runs:
    """What `steps` gives, and a run that failed where they break off, so that no subject costs the others."""
    try:
        yield from steps
    except Exception as error:  # an edge: whatever a subject, the broker or the database may do
        yield {"subject": subject, "label": label, "faults": [f"{type(error).__name__}: {error}"]}


def compare(bench: Bench, comparison: Comparison) -> Runs:
    """Every subject in every setup, in each round."""

    def measured(number: int) -> Runs:
        for name in rotated(comparison.subjects, number):
            for setup in comparison.setups:
                yield from attempt(name, setup.loads[0].label, _loads(bench, name, setup))

    return in_rounds(bench, comparison.rounds, measured)


def _loads(bench: Bench, name: str, setup: Setup) -> Runs:
    short = Load(FIRST, 1, 1), Load(WARM_UP, 4, bench.plan.warm_up)
    with bench.start(name, setup) as subject:
        per_s = 0.0
        for load in (load for load in (*short, *setup.loads) if name in load.subjects):
            rate = load.rate if load.of_last is None else round(per_s * load.of_last, 1)
            run = measure(bench.around, subject, submitters=load.submitters, count=load.audits, rate=rate)
            run["label"], per_s = load.label, run.get("audits_per_s", 0.0)
            if load in short:
                run["foreign_share"] = None  # too short to tell
            if load.label == FIRST:
                started_s = subject.start_s + run.get("seconds", 0.0)
                run |= {"start_s": round(subject.start_s, 2), "first_notice_s": round(started_s, 2)}
            yield run
            if run["faults"]:
                break
