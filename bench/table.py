"""Writes what was measured as tables, for a terminal and for bench/results.md, which are the same text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.goals import by_round
from bench.plan import SUBJECTS
from bench.spreads import Spread, spread

Results = Mapping[str, Any]
Rows = Sequence[Sequence[str]]
NOT_MEASURED = "-"


def document(results: Results) -> str:
    """All tables as Markdown."""
    parts = results["parts"]
    sections = [_goals(results["goals"]), _warnings(parts)]
    for name, table in TABLES.items():
        if name in parts:
            part = parts[name]
            kind = "quick" if part["quick"] else "whole"
            about = f"Measured at {part['at']} on commit {part['commit']} ({kind}, {part['rounds']} rounds)."
            sections += [f"## {TITLES[name]}", about, table(part["runs"])]
    return "# Results of the benchmark\n\n" + HEAD + "\n\n" + "\n\n".join(s for s in sections if s) + "\n"


def as_markdown(head: Sequence[str], rows: Rows) -> str:
    """A table whose columns line up, so that it can be read as text, too."""
    every = [list(head), *map(list, rows)]
    widths = [max(len(row[column]) for row in every) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in every
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def ranged(found: Spread | None, digits: int = 0) -> str:
    """`median (low-high)`."""
    if found is None:
        return NOT_MEASURED
    if found.rounds == 1:
        return f"{found.median:,.{digits}f}"
    return f"{found.median:,.{digits}f} ({found.low:,.{digits}f}-{found.high:,.{digits}f})"


def labels_of(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Loads whose label is a number, by size."""
    return sorted({run["label"] for run in runs if run["label"].isdigit()}, key=int)


def subjects_of(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    there = {run["subject"] for run in runs}
    return [name for name in SUBJECTS if name in there]


def of(runs: Sequence[Mapping[str, Any]], subject: str, label: str, field: str) -> Spread | None:
    return spread(by_round(runs, subject, label, field).values())


def _goals(goals: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for goal in goals:
        sign = "≥" if goal["direction"] == "at least" else "≤"
        found = None if goal["median"] is None else Spread(goal["median"], goal["low"], goal["high"], goal["rounds"])
        why = "no round counts: see below" if goal["discarded"] else "not measured"
        met = {True: "met", False: "MISSED", None: why}[goal["met"]]
        rows.append([goal["name"], f"{sign} {goal['goal']:g}", ranged(found, 2), str(goal["rounds"]), met])
    return "## Goals\n\n" + as_markdown(["ratio", "goal", "median (low-high)", "rounds", ""], rows)


def _warnings(parts: Mapping[str, Any]) -> str:
    lines = []
    for name, part in parts.items():
        if part["discarded"]:
            lines.append(f"- {name}: {part['discarded']} runs were discarded: others used too much of the machine.")
        if part["servers_unknown"]:
            lines.append(f"- {name}: no CPU of broker and database, and nothing discarded: {part['servers_unknown']}.")
        for run in part["runs"]:
            if run["faults"]:
                which = f"{name} {run['subject']} {run['label']}, round {run.get('round')}"
                lines.append(f"- **FAILED, not counted**: {which}: {'; '.join(run['faults'])[:300]}")
    return "## Not counted\n\n" + "\n".join(lines) if lines else ""


def _throughput(runs: list[dict[str, Any]]) -> str:
    labels, names = labels_of(runs), subjects_of(runs)
    rates = [[name, *(ranged(of(runs, name, label, "audits_per_s")) for label in labels)] for name in names]
    at = labels[-2] if len(labels) > 2 else labels[-1]
    fields = ("service_cpu_ms", "broker_cpu_ms", "database_cpu_ms", "client_cpu_ms")
    cpu = [[name, *(ranged(of(runs, name, at, field), 2) for field in fields)] for name in names]
    start = [[name, *(ranged(of(runs, name, "first", f), 1) for f in ("start_s", "first_notice_s"))] for name in names]
    return "\n\n".join(
        [
            "Audits a second, by number of submitters:",
            as_markdown(["", *labels], rates),
            f"CPU milliseconds for each audit, {at} submitters:",
            as_markdown(["", "services", "broker", "database", "load generator"], cpu),
            "Resident memory in MiB of each process after that, and seconds from the start of the processes:",
            as_markdown(
                ["", *_MEMORY, "all ready", "first notice"], [_memory(runs, row[0], at) + row[1:] for row in start]
            ),
        ]
    )


_MEMORY = ("assessment", "certification", "notification", "membership")


def _memory(runs: list[dict[str, Any]], name: str, label: str) -> list[str]:
    return [name, *(ranged(of(runs, name, label, f"resident_mib.{service}")) for service in _MEMORY)]


def _latency(runs: list[dict[str, Any]]) -> str:
    rows = []
    for name in subjects_of(runs):
        found = [ranged(of(runs, name, x, f"latency_ms.{f}"), 1) for x in ("low", "half") for f in ("median", "p99")]
        rows.append([name, *found, ranged(of(runs, name, "half", "rate"), 0)])
    head = ["", "low load: median", "99 %", "half of the most: median", "99 %", "that is, audits/s"]
    return "Milliseconds from submission to last notice:\n\n" + as_markdown(head, rows)


def _by_label(runs: list[dict[str, Any]]) -> str:
    labels = labels_of(runs)
    rows = [[n, *(ranged(of(runs, n, label, "audits_per_s")) for label in labels)] for n in subjects_of(runs)]
    return "Audits a second:\n\n" + as_markdown(["", *labels], rows)


def _backlog(runs: list[dict[str, Any]]) -> str:
    rows = []
    for label in labels_of(runs):
        fields = ["service_cpu_ms", *(f"resident_mib.{service}" for service in _MEMORY)]
        found = [ranged(of(runs, "touchstone", label, field), 2 if "cpu" in field else 0) for field in fields]
        rows.append([f"{int(label):,}", ranged(of(runs, "touchstone", label, "audits_per_s")), *found])
    head = ["audits waiting", "audits/s", "CPU ms each", *(f"MiB of {service} at the end" for service in _MEMORY)]
    return as_markdown(head, rows)


def _rpc(runs: list[dict[str, Any]]) -> str:
    rows = []
    for client in ("touchstone", "nameko", "pika"):
        rates = [ranged(of(runs, client, label, "calls_per_s")) for label in ("sequential", "concurrent")]
        rows.append([client, *rates, ranged(of(runs, client, "sequential", "client_cpu_ms"), 2)])
    return as_markdown(["client", "calls/s, one at a time", "calls/s, 16 threads", "client CPU ms for each call"], rows)


def _delivery(runs: list[dict[str, Any]]) -> str:
    rows = [
        [
            ranged(of(runs, "touchstone", "delivery", "notices")),
            ranged(of(runs, "touchstone", "delivery", "notices_per_s")),
            ranged(of(runs, "touchstone", "delivery", "ready_s"), 1),
        ]
    ]
    return as_markdown(["notices", "sent a second, restart included", "restart of notification, s"], rows)


def _validation(runs: list[dict[str, Any]]) -> str:
    rows = [[name, ranged(of(runs, name, "good", "cpu_us"), 0)] for name in ("touchstone", "marshmallow")]
    return as_markdown(["", "µs of CPU for a good report of 62 criteria"], rows)


HEAD = (
    "Written by `make bench` from [results.json](results.json); what they mean is in [README.md](README.md). "
    "Medians of all rounds that count, lowest and highest in brackets. Trust ratios more than figures. "
    "Touchstone alone has an outbox that commits with the data; the peers publish after the commit; the ceiling is the "
    "least code that does the same durable hops."
)
TITLES = {
    "throughput": "Throughput, CPU, memory, start",
    "latency": "Latency",
    "fanout": "Notices for each certificate (64 submitters)",
    "processes": "Processes of each service (64 submitters)",
    "backlog": "Backlogs",
    "rpc": "RPC",
    "delivery": "Delivery to a local mail server",
    "validation": "Validation",
}
TABLES = {
    "throughput": _throughput,
    "latency": _latency,
    "fanout": _by_label,
    "processes": _by_label,
    "backlog": _backlog,
    "rpc": _rpc,
    "delivery": _delivery,
    "validation": _validation,
}
