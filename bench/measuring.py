"""Carries out one run on a subject that is up: load, completion, what it used, and whether every count is right."""

import json
import statistics
import time
from typing import Any

from bench import usage
from bench.checking import faults_of
from bench.children import Child, ChildFailed
from bench.environments import PEERS
from bench.spreads import percentile
from bench.subjects import Subject, Surroundings
from bench.watching import Arrivals, Stalled, notices_of, wait_for_count

FOREIGN_SHARE_MAX = 0.15
"""The rule for discarding, fixed before anything was measured: a run during which processes that are not ours used
more of the machine's capacity than this is not counted, nor is any ratio of its round that needs it. Where the servers
are foreign, their CPU time cannot be told from that of strangers, and nothing is discarded."""

Run = dict[str, Any]


def measure(around: Surroundings, subject: Subject, *, submitters: int, count: int, rate: float | None = None) -> Run:
    """One run. With `rate` (audits a second) latencies are measured, by a change stream; else throughput, by counts.

    Milliseconds of CPU are for each audit. `faults` says what is wrong with the run: it is not to be counted then.
    """
    groups = {"service": tuple(subject.pids().values()), **around.servers.groups()}
    notices = notices_of(around.mongo, subject.prefix)
    run: Run = {"subject": subject.name, "submitters": submitters, "audits": count, "rate": rate, "faults": []}
    arrivals = Arrivals(notices, subject.contacts) if rate else None
    before = usage.snapshot(groups)
    child = _start_load(around, subject, submitters, count, rate)
    subject.submitted += count
    try:
        if arrivals:
            arrivals.wait_for(count)
            ended_at = max(arrivals.ended.values())
        else:
            ended_at = wait_for_count(notices, subject.submitted * subject.contacts, each_time=lambda _c: _watch(child))
        lines = [json.loads(line) for line in child.succeeded().splitlines()]
        after = usage.snapshot(groups)
        run |= _seen(lines, ended_at) | used(around, before, after, count)
        if arrivals:
            run |= _latencies(lines[:-1], arrivals)
    except (ChildFailed, Stalled) as failure:
        run["faults"].append(str(failure))
    finally:
        around.children.stop(child)
        if arrivals:
            arrivals.close()
    run["resident_mib"] = {name: round(usage.resident_mib(pid), 1) for name, pid in subject.pids().items()}
    run["faults"] += faults_of(around.mongo, subject)
    return run


def is_noisy(run: Run) -> bool:
    """Whether others used too much of the machine meanwhile."""
    share = run.get("foreign_share")
    return share is not None and share > FOREIGN_SHARE_MAX


def _start_load(around: Surroundings, subject: Subject, submitters: int, count: int, rate: float | None) -> Child:
    command = [str(subject.python), str(PEERS / "submit.py"), str(subject.client_folder)]
    command += ["--submitters", str(submitters), "--first", str(subject.submitted), "--count", str(count)]
    command += ["--rate", str(rate)] if rate else []
    environment = {
        "AMQP_URI": subject.amqp_uri,
        "BENCH_REPORT": str(around.work.report_path),
        "BENCH_TOKENS": str(around.work.token_path),
    }
    return around.children.start(f"{subject.name}-load", command, environment)


def _watch(child: Child) -> None:
    if not child.is_running():
        child.succeeded()


def _seen(lines: list[dict[str, Any]], ended_at: float) -> dict[str, Any]:
    """From first submission to last notice, and how long the submissions themselves took."""
    answered, (end,) = lines[:-1], lines[-1:]
    begun_at = min(line["begun"] for line in answered)
    took_ms = [(line["ended"] - line["begun"]) * 1000 for line in answered]
    return {
        "seconds": round(ended_at - begun_at, 3),
        "audits_per_s": round(len(answered) / (ended_at - begun_at), 1),
        "submit_ms": {"median": round(statistics.median(took_ms), 2), "p99": round(percentile(took_ms, 0.99), 2)},
        "client_cpu_ms": round(end["cpu_s"] * 1000 / len(answered), 3),
    }


def used(around: Surroundings, before: usage.Snapshot, after: usage.Snapshot, count: int) -> dict[str, Any]:
    """CPU milliseconds for each of `count` audits, and what others used; None where it cannot be told."""
    used_s = usage.used_s(before, after)
    known = around.servers.unknown is None
    each_ms = {name: round(s * 1000 / count, 3) for name, s in used_s.items()}
    return {
        "service_cpu_ms": each_ms["service"],
        "broker_cpu_ms": each_ms["broker"] if known else None,
        "database_cpu_ms": each_ms["database"] if known else None,
        "foreign_share": round(usage.foreign_share(before, after), 4) if known else None,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _latencies(answered: list[dict[str, Any]], arrivals: Arrivals) -> dict[str, Any]:
    """From the start of a submission to its last notice: as it was seen, and as the server says it was written."""
    seen_ms = [(arrivals.ended[line["audit_id"]] - line["begun"]) * 1000 for line in answered]
    written_ms = [(arrivals.written[line["audit_id"]] - line["begun"]) * 1000 for line in answered]
    return {
        "latency_ms": {"median": round(statistics.median(seen_ms), 2), "p99": round(percentile(seen_ms, 0.99), 2)},
        "written_ms": {
            "median": round(statistics.median(written_ms), 2),
            "p99": round(percentile(written_ms, 0.99), 2),
        },
    }
