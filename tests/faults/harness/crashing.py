"""Has a service fail at a crash point while work goes on, and wakes it where it stopped itself."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from harness.cases import Case
from harness.outcome import Outcome, Strike
from harness.striking import STOPPED_S, Target
from harness.workload import Workload

from touchstone_chassis.testing.fault_points import MARKERS_VARIABLE, PLAN_VARIABLE

AUDITS = 24


class Trap:
    """Waits for the crash point to be reached, and wakes a process that stopped itself there."""

    def __init__(self, marker: Path, *, stops: bool) -> None:
        self.at: float | None = None
        """Unix seconds: when it happened; for a process that stopped, when it woke."""
        self._marker, self._stops = marker, stops
        self._ended, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def reached(self) -> bool:
        return self._marker.exists()

    def wait_until_over(self, timeout_s: float) -> bool:
        """Whether it was reached, and the process woken, in time."""
        return self._over.wait(timeout_s)

    def __enter__(self) -> "Trap":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._marker.exists():
            if self._ended.wait(0.02):
                return
        self.at = self._marker.stat().st_mtime
        if self._stops:
            self._ended.wait(STOPPED_S)
            self.at = time.time()
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self._marker.read_text()), signal.SIGCONT)
        self._over.set()


@contextlib.contextmanager
def armed(target: Target, case: Case, time_of_it: int) -> Iterator[Trap]:
    """The service with the crash point in its environment. If it was not reached, a fresh process follows."""
    system = target.system
    markers = system.folder / "markers" / f"{case.name.replace('/', '.')}.{time.time_ns()}"
    markers.mkdir(parents=True)
    plan = f"{case.point}:{case.mode}:{time_of_it}"
    system.restart(case.service, {PLAN_VARIABLE: plan, MARKERS_VARIABLE: str(markers)})
    with Trap(markers / case.point, stops=case.mode == "stop") as trap:
        yield trap
    if not trap.reached:
        system.restart(case.service)


def play(case: Case, seed: int, target: Target, workload: Workload) -> Outcome:
    """Start the service with the crash point, and work."""
    with armed(target, case, case.time(seed)) as trap:
        workload.run()
    return Outcome(
        reached=trap.reached,
        strikes=[Strike(case.name, trap.at, shows_recovery(case))],
        time=case.time(seed),
    )


def shows_recovery(case: Case) -> str:
    """The first event of the service itself."""
    return f"{case.service}."
