"""Lets an infrastructure fault strike at rest, under load, during a backlog, or during a deploy."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from harness.blow import Blow
from harness.infrastructure import AT_REST, BACKLOG, DEPLOY, UNDER_LOAD, InfrastructureCase
from harness.outcome import Outcome, Strike
from harness.repeats import Repeats
from harness.striking import Target
from harness.workload import Workload

from touchstone_devkit.system.runner import SERVICES

AUDITS = {AT_REST: 24, UNDER_LOAD: 60, BACKLOG: 200, DEPLOY: 80}
FREE_SHARE = 0.4
"""Of the audits, so many are handed in at once; others at this pace while the fault lasts."""
PACE_PER_S = 0.8
"""Slow enough to last longer than what others take over from: a pause in the work would look like a stall."""
AFTERWARDS_SHARE = 0.12
"""Of the audits of a backlog, so many are not part of it: they are handed in at that pace while the fault lasts."""
LAST = 4
"""So many audits begin only when the fault is over: there must be work left that shows the recovery."""
STRIKE_WITHIN_S = 300.0


class Play:
    """One case as it happens: the work, and beside it the fault and the deploy."""

    def __init__(self, case: InfrastructureCase, target: Target, workload: Workload, repeats: Repeats) -> None:
        self.blow = Blow()
        self._case, self._target, self._workload, self._repeats = case, target, workload, repeats
        self._begun, self._free = time.monotonic(), FREE_SHARE * workload.audits
        self._deployed_at: float | None = None
        self._deploying, self._ended = threading.Event(), threading.Event()
        target.pause = self._ended.wait
        self._beside_it: list[Future[None]] = []
        self._strike_share = self._target.random.uniform(0.1, FREE_SHARE)

    def run(self) -> Outcome:
        """Returns when the work is done and the fault is over. Raises what striking or restarting raised."""
        {
            AT_REST: self._at_rest,
            UNDER_LOAD: self._under_load,
            BACKLOG: self._during_a_backlog,
            DEPLOY: self._during_a_deploy,
        }[self._case.moment]()
        worked_until = max((call.ended_at or 0.0) for call in self._workload.history.calls)
        fault = self._case.fault
        return Outcome(
            reached=self.blow.struck_at is not None,
            strikes=[Strike(fault.name, self._recovers_from(), fault.shows_recovery, worked_until)],
        )

    def _recovers_from(self) -> float | None:
        """In a deploy, not before it is done: every service is silent for a while, fault or not."""
        if self.blow.recovers_from is None or self._deployed_at is None:
            return self.blow.recovers_from
        return max(self.blow.recovers_from, self._deployed_at)

    def _at_rest(self) -> None:
        with self._beside(self._strike):
            self.blow.wait_until_recovering(STRIKE_WITHIN_S)
            self._workload.run()

    def _under_load(self) -> None:
        with self._beside(self._strike_at_its_share):
            self._workload.run(self._may_start)

    def _during_a_backlog(self) -> None:
        process = self._target.system.processes[self._case.fault.consumer]
        waiting = self._workload.audits - max(LAST, round(AFTERWARDS_SHARE * self._workload.audits))
        process.hold()
        try:
            finish = self._workload.run_without(self._case.fault.consumer, waiting)
            self._target.say(f"{waiting} audits wait for {process.name}")
        finally:
            process.release()

        def strike_when_it_is_back() -> None:
            _wait_for(process.is_ready)
            self._strike()

        self._begun, self._free = time.monotonic(), waiting
        with self._beside(strike_when_it_is_back):
            finish(self._may_start)

    def _during_a_deploy(self) -> None:
        order = list(SERVICES)
        self._target.random.shuffle(order)
        struck_during = self._target.random.randrange(len(order))

        def deploy() -> None:
            _wait_for(self._has_reached_its_share)
            for number, service in enumerate(order):
                if self._ended.is_set():
                    return
                if number == struck_during:
                    self._deploying.set()
                self._repeats.look([service])
                system = self._target.system
                system.processes[service].restart_with(system.environment, timeout_s=STRIKE_WITHIN_S)
            self._deployed_at = time.time()

        def strike_meanwhile() -> None:
            self._deploying.wait(STRIKE_WITHIN_S)
            self._strike()

        with self._beside(deploy, strike_meanwhile):
            self._workload.run(self._may_start)

    def _strike(self) -> None:
        self._target.say(f"{self._case.fault.name} strikes: {len(self._workload.accepted)} audits accepted")
        try:
            self._case.fault.strike(self._target, self.blow)
        finally:
            self.blow.end()

    def _strike_at_its_share(self) -> None:
        _wait_for(self._has_reached_its_share)
        self._strike()

    def _has_reached_its_share(self) -> bool:
        return len(self._workload.accepted) >= self._workload.audits * self._strike_share

    def _may_start(self, index: int) -> bool:
        """Whether this audit may be begun: the work must not be done before the fault is over."""
        allowed = self._free + PACE_PER_S * (time.monotonic() - self._begun)
        return index < min(allowed, self._workload.audits - LAST) or all(future.done() for future in self._beside_it)

    @contextmanager
    def _beside(self, *tasks: Callable[[], None]) -> Iterator[None]:
        """Runs each task in a thread of its own while the block runs, and waits for all of them."""
        with ThreadPoolExecutor(len(tasks)) as pool:
            self._beside_it = [pool.submit(task) for task in tasks]
            try:
                yield
            except BaseException:  # Ctrl-C: a fault that lasts is cut short
                self._ended.set()
                raise
            for future in self._beside_it:
                future.result()


def _wait_for(probe: Callable[[], object]) -> None:
    until = time.monotonic() + STRIKE_WITHIN_S
    while not probe():
        if time.monotonic() > until:
            raise TimeoutError(f"the moment for the fault did not come within {STRIKE_WITHIN_S:g} s")
        time.sleep(0.02)
