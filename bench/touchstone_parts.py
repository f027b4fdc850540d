"""Measures what Touchstone alone is measured by: backlogs, delivery, its RPC clients and its validation."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from bench import usage
from bench.checking import faults_of
from bench.measuring import Run, measure, used
from bench.plan import CONTACTS, RPC_CLIENTS, TOUCHSTONE, Plan, rotated
from bench.rounds import Bench, attempt, mark_discarded
from bench.touchstone_subject import Touchstone
from bench.watching import notices_of, wait_for_count

HERE = Path(__file__).parent
AHEAD_MAX = 50_000
"""What waits in the intake queue at most: its tokens live for five minutes."""
FEED_TIMEOUT_S = 600
SERIES_POINTS = 300
RPC_THREADS = {"sequential": 1, "concurrent": 16}
POLL_S = 0.02


def validation(bench: Bench, plan: Plan) -> list[Run]:
    """Microseconds of CPU for a good report."""
    runs = []
    for number in range(1, plan.rounds + 1):
        bench.progress.round(number, plan.rounds)
        runs += [
            {"round": number, "label": "good", "faults": [], "discarded": False, "subject": name, "cpu_us": spent}
            for name, spent in _said(bench, "validating.py", "--audits", str(plan.validation_audits)).items()
        ]
    return runs


def rpc(bench: Bench, plan: Plan) -> list[Run]:
    """Calls a second of each client, one at a time and from 16 threads, to the same method of the same service."""

    def steps() -> list[Run]:
        runs: list[Run] = []
        touchstone = Touchstone(bench.around, contacts=CONTACTS)
        try:
            number = 0
            while bench.goes_on(number := number + 1, plan.rounds, runs):
                bench.progress.round(number, plan.rounds)
                for label, threads in RPC_THREADS.items():
                    for client in rotated(RPC_CLIENTS, number):
                        found = attempt(bench, client, label, _calls, bench, touchstone, client, threads, plan)
                        runs += [run | {"round": number, "label": label} for run in found]
                mark_discarded(runs)
        finally:
            touchstone.stop()
        return runs

    return attempt(bench, TOUCHSTONE, "rpc", steps)


def delivery(bench: Bench, plan: Plan) -> list[Run]:
    """Recorded notices are sent to a local mail server: from the restart of notification to the last one sent."""
    runs = []
    for number in range(1, plan.short_rounds + 1):
        bench.progress.round(number, plan.short_rounds)
        found = attempt(bench, TOUCHSTONE, "delivery", _delivered, bench, plan)
        runs += [run | {"round": number, "label": "delivery", "discarded": False} for run in found]
    return runs


def backlog(bench: Bench, plan: Plan) -> list[Run]:
    """Submissions that wait in the intake queue when the services start."""
    runs = []
    for number in range(1, plan.short_rounds + 1):
        bench.progress.round(number, plan.short_rounds)
        for size in rotated(plan.backlogs, number) + (plan.backlogs_once if number == 1 else ()):
            found = attempt(bench, TOUCHSTONE, str(size), _worked_off, bench, size)
            runs += [run | {"round": number, "label": str(size)} for run in found]
            bench.progress.done(runs[-1])
    mark_discarded(runs)
    return runs


def _worked_off(bench: Bench, size: int) -> Run:
    around = bench.around
    touchstone = Touchstone(around, contacts=CONTACTS)
    feeder = None
    try:
        touchstone.hold()
        ahead = ["--count", str(size), "--ahead", str(AHEAD_MAX)]
        feeder = around.children.start(
            "feeding", [sys.executable, str(HERE / "feeding.py"), *ahead], _given(bench, touchstone)
        )
        feeder.wait_until_ready(FEED_TIMEOUT_S)
        series = Series(touchstone)
        start_s = touchstone.release()
        groups = {"service": tuple(touchstone.pids().values()), **around.servers.groups()}
        before = usage.snapshot(groups)
        touchstone.submitted = size
        notices = notices_of(around.mongo, touchstone.prefix)
        ended_at = wait_for_count(notices, size * CONTACTS, poll_s=POLL_S, each_time=series.see)
        after = usage.snapshot(groups)
        feeder.succeeded()
        series.end()
        run = _backlog_run(bench, touchstone, size, series, ended_at, start_s)
        return run | used(around, before, after, size)
    finally:
        if feeder:
            around.children.stop(feeder)
        touchstone.stop()


def _backlog_run(
    bench: Bench, touchstone: Touchstone, size: int, series: "Series", ended_at: float, start_s: float
) -> Run:
    """Throughput counts from the first notice: how long services take to start is told apart."""
    seconds = ended_at - series.first_at
    return {
        "subject": TOUCHSTONE,
        "audits": size,
        "faults": faults_of(bench.around.mongo, touchstone),
        "start_s": round(start_s, 2),
        "first_notice_s": round(series.first_at - series.begun_at, 2),
        "seconds": round(seconds, 2),
        "audits_per_s": round((size - series.first_count / CONTACTS) / seconds, 1),
        "resident_mib": series.last_resident_mib,
        "series": series.points,
    }


class Series:
    """Audits done and memory of each service over time: `[seconds, audits, {service: MiB}]`, a few hundred points."""

    def __init__(self, touchstone: Touchstone) -> None:
        self._touchstone = touchstone
        self.begun_at = time.time()
        self.first_at, self.first_count = 0.0, 0
        self.points: list[list[Any]] = []
        self.last_resident_mib: dict[str, float] = {}
        self._next_at, self._step_s, self._count = 0.0, 0.5, 0

    def see(self, notices: int) -> None:
        now = time.time()
        self._count = notices
        if notices and not self.first_at:
            self.first_at, self.first_count = now, notices
        if now >= self._next_at:
            self._next_at = now + self._step_s
            self._add(now)

    def end(self) -> None:
        self._add(time.time())

    def _add(self, now: float) -> None:
        pids = self._touchstone.pids()
        self.last_resident_mib = {name: round(usage.resident_mib(pid), 1) for name, pid in pids.items()}
        self.points.append([round(now - self.begun_at, 2), self._count // CONTACTS, self.last_resident_mib])
        if len(self.points) > SERIES_POINTS:
            self.points = self.points[::2]
            self._step_s *= 2


def _delivered(bench: Bench, plan: Plan) -> Run:
    touchstone = Touchstone(bench.around, contacts=CONTACTS)
    try:
        run = measure(bench.around, touchstone, submitters=16, count=plan.delivery_audits)
        wanted = plan.delivery_audits * CONTACTS
        notices = notices_of(bench.around.mongo, touchstone.prefix)
        begun = time.monotonic()
        touchstone.deliver()
        ready_s = time.monotonic() - begun
        sent = 0
        while (sent := notices.count_documents({"state": "sent"})) < wanted:
            if time.monotonic() - begun > 60 + wanted / 5:
                run["faults"].append(f"{sent} of {wanted} notices were sent")
                break
            time.sleep(0.1)
        seconds = time.monotonic() - begun
        mails = len(list(touchstone.system.mail_folder.glob("*.eml")))
        if mails != wanted:
            run["faults"].append(f"{mails} mails arrived instead of {wanted}")
        return {
            "subject": TOUCHSTONE,
            "faults": run["faults"],
            "notices": wanted,
            "ready_s": round(ready_s, 2),
            "seconds": round(seconds, 2),
            "notices_per_s": round(wanted / seconds, 1),
        }
    finally:
        touchstone.stop()


def _calls(bench: Bench, touchstone: Touchstone, client: str, threads: int, plan: Plan) -> Run:
    groups = {"service": tuple(touchstone.pids().values()), **bench.around.servers.groups()}
    before = usage.snapshot(groups)
    options = [client, "--threads", str(threads), "--seconds", str(plan.rpc_seconds)]
    said = _said(bench, "rpc_calls.py", *options, touchstone=touchstone)
    after = usage.snapshot(groups)
    known = bench.around.servers.unknown is None
    per_s = round(said["calls"] / said["seconds"], 1)
    bench.progress.say(f"   {client:<16}{threads:>6} threads: {per_s:.0f} calls/s")
    return {
        "subject": client,
        "faults": [],
        "calls_per_s": per_s,
        "client_cpu_ms": round(said["cpu_s"] * 1000 / max(1, said["calls"]), 3),
        "foreign_share": round(usage.foreign_share(before, after), 4) if known else None,
    }


def _said(bench: Bench, program: str, *options: str, touchstone: Touchstone | None = None) -> dict[str, Any]:
    """The JSON line that a program of ours prints."""
    command = [sys.executable, str(HERE / program), *options]
    child = bench.around.children.start(program.removesuffix(".py"), command, _given(bench, touchstone))
    try:
        said: dict[str, Any] = json.loads(child.succeeded())
        return said
    finally:
        bench.around.children.stop(child)


def _given(bench: Bench, touchstone: Touchstone | None) -> dict[str, str]:
    work = bench.around.work
    given = {"BENCH_REPORT": str(work.report_path), "BENCH_TOKENS": str(work.token_path)}
    return given | ({"AMQP_URI": touchstone.amqp_uri} if touchstone else {})
