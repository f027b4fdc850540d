"""A thousand audits while random faults strike, one after the other: crash points, kills and infrastructure."""

import dataclasses
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from harness import cases, crashing, infrastructure
from harness.blow import Blow
from harness.infrastructure import ANY, ONE, REPLICAS, UNDER_LOAD, Fault
from harness.outcome import Outcome, Strike
from harness.striking import Target
from harness.workload import Workload

AUDITS = 1_000
AUDITS_EACH = 50
"""So many audits for each fault."""
CRASH_SHARE = 0.4
AHEAD = 4
"""So many more audits than a fault waits for may be begun before it, and at once when it strikes."""
CRASH_WITHIN_S = 30.0
"""A crash point that is not reached within this time gives way to a kill of its service."""
PACE_PER_S = 0.8
"""Audits while a fault of the infrastructure lasts."""
STRIKE_SHARE = 0.3
"""Of the audits that come with a fault, so many are accepted when it strikes."""
STEP_WITHIN_S = 300.0


@dataclasses.dataclass(frozen=True)
class Soak:
    """One run; its seed decides which faults strike, and in which order."""

    name = kind = "soak"
    servers = REPLICAS

    def random(self, seed: int) -> random.Random:
        return random.Random(f"{seed} {self.name}")


def schedule(chance: random.Random, count: int, backing: Any) -> list[Fault | cases.Case]:
    """So many faults, of those that the servers allow."""
    possible = possible_faults(backing)
    return [
        chance.choice(cases.ALL) if chance.random() < CRASH_SHARE else chance.choice(possible) for _ in range(count)
    ]


def possible_faults(backing: Any) -> Sequence[Fault]:
    """Those that exist under load, but for those after which an operator must act."""
    groups = {ANY}
    if hasattr(backing, "broker"):
        groups |= {ONE} if len(backing.broker.nodes) == 1 else set()
        groups |= {REPLICAS} if len(backing.mongo.members) > 1 else set()
    known = infrastructure.FAULTS
    return [f for f in known if f.servers in groups and not (f.provisions or f.forges) and UNDER_LOAD not in f.not_in]


class Play:
    """One soak as it happens."""

    def __init__(self, target: Target, workload: Workload) -> None:
        self._target, self._workload = target, workload
        self._faults = schedule(target.random, max(1, workload.audits // AUDITS_EACH), target.backing)
        self._struck: list[tuple[float, Strike]] = []
        self._paced_since: float | None = None
        self._ended = threading.Event()
        target.pause = self._ended.wait

    def run(self) -> Outcome:
        """Returns when all audits are answered and all faults over. Raises what a strike raised."""
        with ThreadPoolExecutor(1) as pool:
            striking = pool.submit(self._strike_all)
            try:
                self._workload.run(lambda index: index <= self._allowed() or striking.done())
            except BaseException:  # Ctrl-C: a fault that lasts is cut short
                self._ended.set()
                raise
            striking.result()
        worked_until = max((call.ended_at or 0.0) for call in self._workload.history.calls)
        strikes = bounded(self._struck, worked_until)
        all_struck = len(strikes) == len(self._faults) and all(strike.since is not None for strike in strikes)
        return Outcome(reached=all_struck, strikes=strikes)

    def _allowed(self) -> float:
        """How many audits may be begun: the work must neither run ahead of the faults nor pause while one lasts."""
        done, each = len(self._struck), self._workload.audits / len(self._faults)
        due = each * (done + STRIKE_SHARE) + AHEAD
        if self._paced_since is None:
            return due
        return min(each * (done + 1), due + AHEAD + PACE_PER_S * (time.monotonic() - self._paced_since))

    def _strike_all(self) -> None:
        for number, fault in enumerate(self._faults):
            if self._ended.is_set():
                return
            self._wait_for_work(self._workload.audits * (number + STRIKE_SHARE) / len(self._faults))
            accepted = len(self._workload.accepted)
            self._target.say(f"fault {number + 1} of {len(self._faults)}: {fault.name}, {accepted} audits accepted")
            begun = time.time()
            strike = self._infrastructure(fault) if isinstance(fault, Fault) else self._crash(fault)
            self._paced_since = None
            self._struck.append((begun, strike))

    def _infrastructure(self, fault: Fault) -> Strike:
        blow = Blow()
        self._paced_since = time.monotonic()
        fault.strike(self._target, blow)
        since = blow.recovers_from if blow.struck_at is not None else None
        return Strike(fault.name, since, fault.shows_recovery, worked_until=float("inf"))

    def _crash(self, case: cases.Case) -> Strike:
        """At the crash point, or, where work does not come by it in time, a kill of the same service instead."""
        self._paced_since = time.monotonic() - 2 * CRASH_WITHIN_S  # no pace: the point is to be reached soon
        with crashing.armed(self._target, case, self._target.random.randint(1, 3)) as trap:
            trap.wait_until_over(CRASH_WITHIN_S)
        if trap.at is not None:
            return Strike(case.name, trap.at, crashing.shows_recovery(case))
        instead = next(f for f in infrastructure.FAULTS if f.name == f"consumer/{case.service}-killed")
        self._target.say(f"{case.name} was not reached within {CRASH_WITHIN_S:g} s; {instead.name} instead")
        return self._infrastructure(instead)

    def _wait_for_work(self, due: float) -> None:
        until = time.monotonic() + STEP_WITHIN_S
        while len(self._workload.accepted) < due and time.monotonic() < until:
            if self._ended.wait(0.05):
                return


def bounded(struck: Sequence[tuple[float, Strike]], worked_until: float) -> list[Strike]:
    """Each strike, with the moment at which it began, up to the next one. A crash point has the first event only."""
    ends = [begun for begun, _ in struck[1:]] + [None]
    return [
        strike
        if strike.worked_until is None
        else dataclasses.replace(strike, worked_until=worked_until, next_at=next_at)
        for (_, strike), next_at in zip(struck, ends, strict=True)
    ]
