"""Carries out one run on a subject that is up: load, completion, what it used, and whether every count is right."""

import contextlib
import json
from pathlib import Path
from typing import Any

from bench import usage
from bench.children import Child, ChildFailed
from bench.environments import PEERS
from bench.spreads import median_and_p99
from bench.subjects import Subject, Surroundings
from bench.watching import Arrivals, Stalled, changes_of, faults_of, wait_for_count

FOREIGN_SHARE_MAX = 0.15
"""The rule for discarding, fixed before anything was measured: a run during which processes that are not ours used
more of the machine's capacity than this is not counted, nor is any ratio of its round that needs it. Where the servers
are foreign, their CPU time cannot be told from that of strangers, and nothing is discarded."""

Run = dict[str, Any]


def meter_of(around: Surroundings, subject: Subject) -> usage.Meter:
    return usage.Meter({"service": subject.pids().values(), **(around.servers or {})})


def measure(around: Surroundings, subject: Subject, *, submitters: int, count: int, rate: float | None = None) -> Run:
    """One run. With `rate` (audits a second) latencies are measured, by a change stream; else throughput, by counts.

    Milliseconds of CPU are for each audit. `faults` says what is wrong with the run: it is not to be counted then.
    """
    run: Run = {"subject": subject.name, "submitters": submitters, "audits": count, "rate": rate, "faults": []}
    first, subject.submitted = subject.submitted, subject.submitted + count
    subject.learn(subject.submitted)
    try:
        options = {"submitters": submitters, "first": first, "count": count} | ({"rate": rate} if rate else {})
        run |= _under_load(around, subject, options)
    except (ChildFailed, Stalled) as failure:
        run["faults"].append(str(failure))
    run["resident_mib"] = usage.resident_mib(subject.pids())
    run["faults"] += faults_of(subject)
    return run


def is_noisy(run: Run) -> bool:
    """Whether others used too much of the machine meanwhile."""
    return (run.get("foreign_share") or 0.0) > FOREIGN_SHARE_MAX


def load(
    around: Surroundings, subject: Subject, client: Path, options: dict[str, Any]
) -> contextlib.AbstractContextManager[Child]:
    """A process that submits, with the options of peers/submit.py."""
    command = [str(subject.python), str(PEERS / "submit.py"), str(client)]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    environment = around.work.environment | {"AMQP_URI": subject.amqp_uri}
    return around.children.running(f"{subject.name}-load", command, environment)


def lines_of(child: Child) -> tuple[list[dict[str, Any]], float]:
    """What a load process printed once it has ended: its submissions, and their CPU seconds."""
    *answered, end = (json.loads(line) for line in child.succeeded().splitlines())
    return answered, end["cpu_s"]


def _under_load(around: Surroundings, subject: Subject, options: dict[str, Any]) -> Run:
    """From first submission to last notice, and how long the submissions themselves took."""
    notices, timed = subject.collection("notification", "notices"), "rate" in options
    with contextlib.ExitStack() as stack:
        arrivals = Arrivals(stack.enter_context(changes_of(notices)), subject.contacts) if timed else None
        meter = meter_of(around, subject)
        child = stack.enter_context(load(around, subject, subject.client, options))
        if arrivals:
            ended_at = arrivals.wait_for(options["count"])
        else:
            wanted = subject.submitted * subject.contacts
            ended_at = wait_for_count(notices, wanted, each_time=lambda _: child.is_running() or child.succeeded())
        answered, cpu_s = lines_of(child)
        used = meter.used(len(answered))
    begun_at = min(line["begun"] for line in answered)
    run = {
        "seconds": round(ended_at - begun_at, 3),
        "audits_per_s": round(len(answered) / (ended_at - begun_at), 1),
        "submit_ms": median_and_p99([(line["ended"] - line["begun"]) * 1000 for line in answered]),
        "client_cpu_ms": round(cpu_s * 1000 / len(answered), 3),
    }
    if arrivals:
        ended = arrivals.ended
        run["latency_ms"] = median_and_p99([(ended[line["audit_id"]] - line["begun"]) * 1000 for line in answered])
    return run | used
