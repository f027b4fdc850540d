"""Runs one crash point case on a running system and says what came of it."""

import contextlib
import dataclasses
import datetime
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness import checks
from harness.cases import Case
from harness.finding import find
from harness.results import Result
from harness.workload import Say, Workload, prepare, settle

from touchstone_chassis.crashpoints import MARKERS_VARIABLE, PLAN_VARIABLE
from touchstone_devkit.backing import Backing
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.trail import Trail
from touchstone_devkit.folders import CHECKOUT
from touchstone_devkit.runner import System

AUDITS = 24
HEARTBEAT_S = 5
STOPPED_S = 3 * HEARTBEAT_S + 1
"""Longer than the broker waits for a sign of life: it has then closed the connection."""
SETTLE_S = 120
Arrivals = list[tuple[float, dict[str, Any]]]


def faulty_system(backing: Backing | None, say: Say) -> System:
    """A system whose services can be told to fail, and that notices a dead connection sooner."""
    environment = {"TOUCHSTONE_HEARTBEAT_S": str(HEARTBEAT_S)}
    return System(backing=backing, sandbox=True, environment=environment, announce=say)


class Fault:
    """Waits for the crash point to be reached, and wakes a process that stopped itself there."""

    def __init__(self, marker: Path, *, stops: bool) -> None:
        self.at: float | None = None
        """Unix seconds: when it happened; for a process that stopped, when it woke."""
        self._marker, self._stops = marker, stops
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def reached(self) -> bool:
        return self._marker.exists()

    def __enter__(self) -> "Fault":
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


@dataclasses.dataclass
class _Run:
    """What happened while the case ran."""

    workload: Workload
    fault: Fault
    arrivals: Arrivals
    problems: list[checks.Fault]


def run_case(system: System, case: Case, seed: int, *, audits: int = AUDITS, say: Say = lambda _line: None) -> Result:
    """Start the service with the crash point, work until it is reached and all is quiet again, and compare."""
    begun, arrivals = time.monotonic(), Arrivals()
    scheme = Scheme(system.environment)
    scheme.trail = Trail(system.amqp_uri, lambda message: arrivals.append((time.time(), message)))
    with scheme:
        mails_before = list(system.mail_folder.glob("*.eml"))
        world = prepare(scheme)
        wait_until_quiet(system.amqp_uri, system.mongo_uri, system.database_prefix, timeout_s=SETTLE_S)
        workload = Workload(system, world, audits)
        with _armed(system, case, seed) as fault:
            problems = list(_work(scheme, system, workload, say))
        found = find(scheme, system, world, mandates=workload.mandates, mails_before=mails_before)
    faults = [*problems, *checks.faults(workload.expected(), found)]
    run = _Run(workload, fault, arrivals, faults)
    result = _result(case, seed, run)
    result.mails_again, result.took_s = checks.mails_again(found), round(time.monotonic() - begun, 1)
    if faults:
        _keep(system, case, seed, run)
    return result


@contextlib.contextmanager
def _armed(system: System, case: Case, seed: int) -> Iterator[Fault]:
    """The service with the crash point in its environment. If it was not reached, a fresh process follows."""
    markers = system.folder / "markers" / f"{case.name.replace('/', '.')}.{seed}.{time.time_ns()}"
    markers.mkdir(parents=True)
    plan = f"{case.point}:{case.mode}:{case.time(seed)}"
    system.restart(case.service, {PLAN_VARIABLE: plan, MARKERS_VARIABLE: str(markers)})
    with Fault(markers / case.point, stops=case.mode == "stop") as fault:
        yield fault
    if not fault.reached:
        system.restart(case.service)


def _work(scheme: Scheme, system: System, workload: Workload, say: Say) -> Iterator[checks.Fault]:
    workload.run()
    yield from (checks.Fault(checks.WRONG, failure) for failure in workload.failures)
    try:
        system.wait_until_ready(timeout_s=SETTLE_S)
        notices = len(workload.accepted) * len(workload.expected().contact_ids)
        settle(scheme, system, notices, timeout_s=SETTLE_S, say=say)
    except TimeoutError as error:
        yield checks.Fault(checks.UNFINISHED, str(error))


def _result(case: Case, seed: int, run: _Run) -> Result:
    kinds = [fault.kind for fault in run.problems]
    return Result(
        case=case.name,
        seed=seed,
        commit=commit(),
        at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        time=case.time(seed),
        reached=run.fault.reached,
        audits=len(run.workload.accepted),
        lost=kinds.count(checks.LOST),
        doubled=kinds.count(checks.DOUBLED),
        parked=kinds.count(checks.PARKED),
        stall_s=_stall_s(run.arrivals),
        recovery_s=_recovery_s(run.arrivals, case.service, run.fault.at),
        calls=run.workload.history.counts(),
        faults=[f"{fault.kind}: {fault.sentence}" for fault in run.problems],
    )


def _stall_s(arrivals: Arrivals) -> float | None:
    notices = [at for at, message in arrivals if message["type"] == "notification.notice_sent.v1"]
    return max((round(later - earlier, 2) for earlier, later in pairwise(notices)), default=None)


def _recovery_s(arrivals: Arrivals, service: str, fault_at: float | None) -> float | None:
    if fault_at is None:
        return None
    moment = datetime.datetime.fromtimestamp(fault_at, datetime.UTC)
    for at, message in arrivals:
        if message["type"].startswith(f"{service}.") and datetime.datetime.fromisoformat(message["time"]) > moment:
            return round(at - fault_at, 2)
    return None


def _keep(system: System, case: Case, seed: int, run: _Run) -> None:
    """What a person needs to understand a violation, beside the logs."""
    path = system.folder / f"{case.name.replace('/', '.')}.{seed}.json"
    calls = [dataclasses.asdict(call) for call in run.workload.history.calls]
    events = [{"heard_at": at, **message} for at, message in run.arrivals]
    faults = [dataclasses.asdict(fault) for fault in run.problems]
    kept = {"fault_at": run.fault.at, "faults": faults, "calls": calls, "events": events}
    path.write_text(json.dumps(kept, indent=1, default=str))


def commit() -> str:
    """The commit that is checked out, with a `+` when the tree differs from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")


def summary(result: Result) -> str:
    """One line of progress."""
    said = "ok" if result.good else f"FAULTS: {'; '.join(result.faults[:3])}"
    reached = "" if result.reached else ", not reached"
    times = f"stall {result.stall_s} s, recovery {result.recovery_s} s, took {result.took_s} s"
    return f"{result.case}{reached}: {said}; {times}"
