"""Measures what Touchstone alone is measured by: backlogs, delivery, its RPC clients and its validation."""

import functools
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from bench import usage
from bench.measuring import Run, lines_of, load, measure, meter_of
from bench.plan import CONTACTS, RPC_CLIENTS, TOUCHSTONE, rotated
from bench.rounds import Bench, Runs, attempt, in_rounds
from bench.touchstone_subject import CLIENTS, Touchstone, touchstone
from bench.watching import faults_of, wait_for_count
from touchstone_devkit.eventually import eventually

HERE = Path(__file__).parent
AHEAD_MAX = 50_000
"""What waits in the intake queue at most: its tokens live for five minutes."""
FEED_TIMEOUT_S = 600
SERIES_POINTS, SERIES_STEP_S = 300, 0.5
RPC_THREADS = {"sequential": 1, "concurrent": 16}
MANY = 10**9
POLL_S = 0.02


def validation(bench: Bench) -> Runs:
    """Microseconds of CPU for a good report."""
    command = [sys.executable, str(HERE / "validating.py"), str(bench.plan.validation_audits)]

    def measured(_number: int) -> Runs:
        with bench.around.children.running("validating", command, bench.around.work.environment) as child:
            spent_us = json.loads(child.succeeded())
        for name, each_us in spent_us.items():
            yield {"subject": name, "label": "good", "faults": [], "cpu_us": each_us}

    return in_rounds(bench, bench.plan.rounds, measured)


def rpc(bench: Bench) -> Runs:
    """Calls a second of each client, one at a time and from 16 threads, to the same method of the same service."""
    with touchstone(bench.around) as subject:

        def measured(number: int) -> Runs:
            for label, threads in RPC_THREADS.items():
                for client in rotated(RPC_CLIENTS, number):
                    yield from attempt(client, label, _calls(bench, subject, client, label, threads))

        yield from in_rounds(bench, bench.plan.rounds, measured)


def delivery(bench: Bench) -> Runs:
    """Recorded notices are sent to a local mail server: from the restart of notification to the last one sent."""
    return in_rounds(bench, bench.plan.short_rounds, lambda _: attempt(TOUCHSTONE, "delivery", _delivered(bench)))


def backlog(bench: Bench) -> Runs:
    """Submissions that wait in the intake queue when the services start."""
    plan = bench.plan

    def measured(number: int) -> Runs:
        for size in rotated(plan.backlogs, number) + (plan.backlogs_once if number == 1 else ()):
            yield from attempt(TOUCHSTONE, str(size), _worked_off(bench, size))

    return in_rounds(bench, plan.short_rounds, measured)


PARTS = {"validation": validation, "rpc": rpc, "delivery": delivery, "backlog": backlog}


def _calls(bench: Bench, subject: Touchstone, client: str, label: str, threads: int) -> Runs:
    meter, seconds = meter_of(bench.around, subject), bench.plan.rpc_seconds
    options = {"submitters": threads, "first": 0, "count": MANY, "seconds": seconds}
    with load(bench.around, subject, CLIENTS / f"rpc_{client}.py", options) as child:
        calls, cpu_s = lines_of(child)
    run = {"subject": client, "label": label, "faults": [], "calls_per_s": round(len(calls) / seconds, 1)}
    yield run | {"client_cpu_ms": round(cpu_s * 1000 / len(calls), 3)} | meter.used(len(calls))


def _delivered(bench: Bench) -> Runs:
    audits = bench.plan.delivery_audits
    wanted = audits * CONTACTS
    with touchstone(bench.around) as subject:
        faults = measure(bench.around, subject, submitters=16, count=audits)["faults"]
        begun = time.monotonic()
        subject.deliver()
        ready_s = time.monotonic() - begun
        sent = functools.partial(subject.count, "notification", "notices", state="sent")
        try:
            eventually(lambda: sent() >= wanted, within_s=60 + wanted / 5, every_s=0.1)
        except AssertionError:
            faults.append(f"{sent()} of {wanted} notices were sent")
        seconds = time.monotonic() - begun
        if (mails := len(list(subject.system.mail_folder.glob("*.eml")))) != wanted:
            faults.append(f"{mails} mails arrived instead of {wanted}")
        rate = {"seconds": round(seconds, 2), "notices_per_s": round(wanted / seconds, 1)}
        run = {"subject": TOUCHSTONE, "label": "delivery", "faults": faults, "notices": wanted}
        yield run | {"ready_s": round(ready_s, 2)} | rate


def _worked_off(bench: Bench, size: int) -> Runs:
    around = bench.around
    with touchstone(around) as subject:
        subject.learn(size)
        subject.hold()
        command = [sys.executable, str(HERE / "feeding.py"), str(size), str(AHEAD_MAX)]
        environment = around.work.environment | {"AMQP_URI": subject.amqp_uri}
        with around.children.running("feeding", command, environment) as feeder:
            feeder.wait_until_ready(FEED_TIMEOUT_S)
            series = Series(subject)
            start_s = subject.release()
            meter = meter_of(around, subject)
            notices, subject.submitted = subject.collection("notification", "notices"), size
            ended_at = wait_for_count(notices, size * CONTACTS, poll_s=POLL_S, each_time=series.see)
            used = meter.used(size)
            feeder.succeeded()
        run = {"subject": TOUCHSTONE, "label": str(size), "audits": size, "faults": faults_of(subject)}
        yield run | {"start_s": round(start_s, 2)} | series.summary(size, ended_at) | used


class Series:
    """Audits done and memory of each service over time: `[seconds, audits, {service: MiB}]`."""

    def __init__(self, subject: Touchstone) -> None:
        self._subject, self._begun_at = subject, time.time()
        self._first_at, self._first_count, self._next_at = 0.0, 0, 0.0
        self._points: list[list[Any]] = []

    def see(self, notices: int) -> None:
        now = time.time()
        if notices and not self._first_at:
            self._first_at, self._first_count = now, notices
        if now >= self._next_at:
            self._next_at = now + SERIES_STEP_S
            self._add(now, notices // CONTACTS)

    def summary(self, size: int, ended_at: float) -> Run:
        """Throughput counts from the first notice: how long services take to start is told apart."""
        self._add(time.time(), size)
        seconds = ended_at - self._first_at
        return {
            "first_notice_s": round(self._first_at - self._begun_at, 2),
            "seconds": round(seconds, 2),
            "audits_per_s": round((size - self._first_count / CONTACTS) / seconds, 1),
            "resident_mib": self._points[-1][2],
            "series": self._points[:: math.ceil(len(self._points) / SERIES_POINTS)],
        }

    def _add(self, now: float, audits: int) -> None:
        self._points.append([round(now - self._begun_at, 2), audits, usage.resident_mib(self._subject.pids())])
