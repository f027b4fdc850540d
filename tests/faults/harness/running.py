"""Runs one case on a running system, whatever its kind, and says what came of it."""

import dataclasses
import datetime
import json
import random
import time
from collections.abc import Iterator

from harness import cases, checks, crashing, exercised, infrastructure, moments, soak, targets
from harness.catalogue import Case
from harness.finding import find, received
from harness.mending import reconcile
from harness.outcome import Outcome, stall_s
from harness.recorder import Recorder
from harness.repeats import Repeats
from harness.results import LONGEST_SILENCE, Result
from harness.striking import HEARTBEAT_S, Target
from harness.workload import Say, Workload, prepare, settle

from touchstone_devkit.backing.choosing import Backing
from touchstone_devkit.demo.quiet import wait_until_quiet
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.system.runner import System

SETTLE_S = 180
FAULTS_TOLD = 20
WRITTEN_HERE = ("tests/faults/results.json", "docs/reliability-results.md", "docs/recovery.svg")
"""By the harness itself: they do not change what is tested."""


def faulty_system(backing: Backing | None, say: Say) -> System:
    """A system whose services can be told to fail, and that notices a dead connection sooner."""
    environment = {"TOUCHSTONE_HEARTBEAT_S": str(HEARTBEAT_S)}
    return System(backing=backing, sandbox=True, environment=environment, announce=say)


@dataclasses.dataclass
class _Run:
    """What happened while the case ran."""

    workload: Workload
    recorder: Recorder
    outcome: Outcome
    problems: list[checks.Fault]
    repeated: int
    quiet_at: float
    """Unix seconds: when nothing was under way any more, or waiting for that was given up."""


def run_case(
    system: System, case: Case, seed: int, *, audits: int | None = None, say: Say = lambda _line: None
) -> Result:
    """Work until the fault has struck and all is quiet again, and compare what is there with what must be."""
    begun = time.monotonic()
    scheme, recorder = Scheme(system.environment), Recorder(system.amqp_uri)
    scheme.wire_tap = recorder
    with scheme:
        mails_before = list(system.mail_folder.glob("*.eml"))
        world = prepare(scheme)
        wait_until_quiet(system.amqp_uri, system.mongo_uri, system.database_prefix, timeout_s=SETTLE_S)
        workload = Workload(system, world, audits or _audits(case))
        repeats = Repeats(system)
        chance = random.Random(f"{seed} {case.name}")
        target = Target(system, system.backing, chance, say, heard=recorder.messages)
        outcome = _play(case, seed, target, workload, repeats)
        problems = list(_settle(scheme, system, workload, say, mends=_provisions(case)))
        quiet_at = time.time()
        repeated = repeats.count()
        receptions = list(received(scheme, target.forgeries))
        mandates = workload.mandates
        found = find(scheme, system, world, mandates=mandates, mails_before=mails_before, receptions=receptions)
    problems += checks.faults(workload.expected(), found)
    run = _Run(workload, recorder, outcome, problems, repeated, quiet_at)
    result = _result(case, seed, run)
    result.mails_again, result.took_s = checks.mails_again(found), round(time.monotonic() - begun, 1)
    if problems or not isinstance(case, cases.Case):
        _keep(system, case, seed, run)
    return result


def broken(case: Case, seed: int, error: Exception) -> Result:
    """What is kept of a case that could not be carried out to its end."""
    said = f"{checks.UNFINISHED}: {type(error).__name__}: {error}"
    code = exercised.code_of(case, exercised.code())
    return Result(case.name, seed, commit(), _now(), 0, False, audits=0, faults=[said], kind=case.kind, code=code)


def _audits(case: Case) -> int:
    if isinstance(case, infrastructure.InfrastructureCase):
        return moments.AUDITS[case.moment]
    return soak.AUDITS if isinstance(case, soak.Soak) else crashing.AUDITS


def _provisions(case: Case) -> bool:
    return isinstance(case, infrastructure.InfrastructureCase) and case.fault.provisions


def _play(case: Case, seed: int, target: Target, workload: Workload, repeats: Repeats) -> Outcome:
    if isinstance(case, cases.Case):
        return crashing.play(case, seed, target, workload)
    if isinstance(case, soak.Soak):
        return soak.Play(target, workload).run()
    return moments.Play(case, target, workload, repeats).run()


def _settle(scheme: Scheme, system: System, workload: Workload, say: Say, *, mends: bool) -> Iterator[checks.Fault]:
    yield from (checks.Fault(checks.WRONG, failure) for failure in workload.failures)
    try:
        system.wait_until_ready(timeout_s=SETTLE_S)
        notices = len(workload.accepted) * len(workload.expected().contact_ids)
        meanwhile = (lambda: reconcile(system, say)) if mends else (lambda: None)
        settle(scheme, system, notices, timeout_s=SETTLE_S, say=say, meanwhile=meanwhile)
    except TimeoutError as error:
        yield checks.Fault(checks.UNFINISHED, str(error))


def _result(case: Case, seed: int, run: _Run) -> Result:

    def of_kind(kind: str) -> int:
        return sum(fault.count for fault in run.problems if fault.kind == kind)

    recoveries = run.outcome.recoveries_s(run.recorder.arrivals)
    begun = min(call.invoked_at for call in run.workload.history.calls)
    result = Result(
        case=case.name,
        seed=seed,
        commit=commit(),
        at=_now(),
        time=run.outcome.time,
        reached=run.outcome.reached,
        audits=len(run.workload.accepted),
        lost=of_kind(checks.LOST),
        doubled=of_kind(checks.DOUBLED),
        parked=of_kind(checks.PARKED),
        stall_s=stall_s(run.recorder.arrivals, begun, run.quiet_at),
        recovery_s=max((seconds for _, seconds in recoveries if seconds is not None), default=None),
        calls=run.workload.history.counts(),
        faults=_told(run.problems),
        kind=case.kind,
        repeated=run.repeated,
        recoveries=recoveries if isinstance(case, soak.Soak) else [],
        to_strike=len(run.outcome.strikes) if isinstance(case, soak.Soak) else None,
        measure=LONGEST_SILENCE,
        code=exercised.code_of(case, exercised.code()),
    )
    return targets.judged_again(result)


def _told(problems: list[checks.Fault]) -> list[str]:
    """The first of them: what a queue holds, when it is lost, is hundreds of sentences."""
    more = [f"and {len(problems) - FAULTS_TOLD} more"] if len(problems) > FAULTS_TOLD else []
    return [f"{fault.kind}: {fault.sentence}" for fault in problems[:FAULTS_TOLD]] + more


def _keep(system: System, case: Case, seed: int, run: _Run) -> None:
    """What a person needs to understand a violation, beside the logs."""
    path = system.folder / f"{case.name.replace('/', '.')}.{seed}.json"
    calls = [dataclasses.asdict(call) for call in run.workload.history.calls]
    events = [{"heard_at": at, **message} for at, message in run.recorder.arrivals]
    faults = [dataclasses.asdict(fault) for fault in run.problems]
    strikes = [dataclasses.asdict(strike) for strike in run.outcome.strikes]
    kept = {"strikes": strikes, "faults": faults, "calls": calls, "events": events}
    path.write_text(json.dumps(kept, indent=1, default=str))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def commit() -> str:
    """Seven digits of what is checked out (git itself gives more as a repository grows), `+` when the tree differs."""
    changed = exercised.git("status", "--porcelain", "-uno", "--", ".", *(f":!{path}" for path in WRITTEN_HERE))
    return exercised.git("rev-parse", "HEAD")[:7] + ("+" if changed else "")


def summary(result: Result) -> str:
    """One line of progress."""
    said = "ok" if result.good else f"FAULTS: {'; '.join(result.faults[:3])}"
    missed = f" MISSED: {'; '.join(result.missed)}" if result.missed else ""
    reached = "" if result.reached else ", not reached"
    times = f"stall {result.stall_s} s, recovery {result.recovery_s} s, took {result.took_s} s"
    return f"{result.case}{reached}: {said};{missed} {times}"
