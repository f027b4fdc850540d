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
from harness.outcome import Outcome
from harness.striking import Target
from harness.workload import Workload

AUDITS = 1_000
AUDITS_EACH = 50
"""So many audits for each fault."""
CRASH_SHARE = 0.4
CRASH_WITHIN_S = 30.0
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
    return [f for f in known if f.servers in groups and not f.provisions and UNDER_LOAD not in f.not_in]


class Play:
    """One soak as it happens."""

    def __init__(self, target: Target, workload: Workload) -> None:
        self._target, self._workload = target, workload
        self._faults = schedule(target.random, max(1, workload.audits // AUDITS_EACH), target.backing)
        self._strikes: list[tuple[str, float | None]] = []
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
        return Outcome(reached=len(self._strikes) == len(self._faults), strikes=self._strikes)

    def _allowed(self) -> float:
        """How many audits may be begun: the work must not run ahead of the faults."""
        return self._workload.audits * (len(self._strikes) + 1) / len(self._faults)

    def _strike_all(self) -> None:
        for number, fault in enumerate(self._faults):
            if self._ended.is_set():
                return
            due = self._workload.audits * (number + 0.3) / len(self._faults)
            self._wait_for_work(due)
            accepted = len(self._workload.accepted)
            self._target.say(f"fault {number + 1} of {len(self._faults)}: {fault.name}, {accepted} audits accepted")
            self._strikes.append((fault.name, self._strike(fault)))

    def _strike(self, fault: Fault | cases.Case) -> float | None:
        """From when on recovery counts."""
        if isinstance(fault, Fault):
            blow = Blow()
            fault.strike(self._target, blow)
            return blow.recovers_from
        time_of_it = self._target.random.randint(1, 3)
        with crashing.armed(self._target, fault, time_of_it) as trap:
            trap.wait_until_over(CRASH_WITHIN_S)
        return trap.at

    def _wait_for_work(self, due: float) -> None:
        until = time.monotonic() + STEP_WITHIN_S
        while len(self._workload.accepted) < due and time.monotonic() < until:
            if self._ended.wait(0.05):
                return
