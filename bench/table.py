"""Writes what was measured as tables, for a terminal and for bench/results.md, which are the same text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.goals import SERVICES
from bench.plan import LOW_RATE, RATED, RPC_CLIENTS, SUBJECTS, TOUCHSTONE
from bench.spreads import Run, Spread, over_rounds

Columns = Iterable[tuple[str, str, str, int]]
"""Head, label of the load, field of its run, digits behind the point."""
HEAD = """# Results of the benchmark

Written by `make bench` from [results.json](results.json); what they mean is in [README.md](README.md). \
Medians of all rounds that count, lowest and highest in brackets. Trust ratios more than figures. \
Touchstone alone has an outbox that commits with the data; the peers publish after the commit; the ceiling is the \
least code that does the same durable hops.
"""


def document(results: Mapping[str, Any]) -> str:
    """All tables as Markdown."""
    parts = results["parts"]
    sections = [HEAD.rstrip(), _goals(results["goals"]), *_not_counted(parts)]
    for name, (title, table) in TABLES.items():
        if name in parts:
            part = parts[name]
            kind = "quick" if part["quick"] else "whole"
            about = f"Measured at {part['at']} on commit {part['commit']} ({kind}, {part['rounds']} rounds)."
            sections += [f"## {title}", about, table(part["runs"])]
    return "\n\n".join(sections) + "\n"


def as_markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns line up, so that it can be read as text, too."""
    every = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    lines = [f"| {' | '.join(map(str.ljust, row, widths))} |" for row in every]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def ranged(found: Spread | None, digits: int = 0) -> str:
    """`median (low-high)`."""
    if found is None:
        return "-"
    median, low, high = (f"{value:,.{digits}f}" for value in (found.median, found.low, found.high))
    return median if found.rounds == 1 else f"{median} ({low}-{high})"


def labels_of(runs: Iterable[Run]) -> list[str]:
    """Loads whose label is a number, by size."""
    return sorted({run["label"] for run in runs if run["label"].isdigit()}, key=int)


def subjects_of(runs: Iterable[Run]) -> list[str]:
    return [name for name in SUBJECTS if any(run["subject"] == name for run in runs)]


def busiest_but_one(runs: Iterable[Run]) -> str:
    """The number of submitters at which CPU is told: 64 of a whole run."""
    labels = ["", *labels_of(runs)]
    return labels[-2] if len(labels) > 3 else labels[-1]


def _grid(runs: Sequence[Run], names: Iterable[str], columns: Columns, head: str = "") -> str:
    """A row for each subject."""
    rows = [
        [name, *(ranged(over_rounds(runs, name, label, field), digits) for _, label, field, digits in columns)]
        for name in names
    ]
    return as_markdown([head, *(column[0] for column in columns)], rows)


def _goals(goals: Iterable[Mapping[str, Any]]) -> str:
    rows = []
    for goal in goals:
        sign = "≥" if goal["direction"] == "at least" else "≤"
        found = None if goal["median"] is None else Spread(goal["median"], goal["low"], goal["high"], goal["rounds"])
        why = "no round counts: see below" if goal["discarded"] else "not measured"
        met = {True: "met", False: "MISSED", None: why}[goal["met"]]
        rows.append([goal["name"], f"{sign} {goal['goal']:g}", ranged(found, 2), str(goal["rounds"]), met])
    return "## Goals\n\n" + as_markdown(["ratio", "goal", "median (low-high)", "rounds", ""], rows)


def _not_counted(parts: Mapping[str, Any]) -> list[str]:
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
    return ["## Not counted", "\n".join(lines)] if lines else []


def _rates(runs: Sequence[Run]) -> str:
    return _grid(runs, subjects_of(runs), [(label, label, "audits_per_s", 0) for label in labels_of(runs)])


def _throughput(runs: Sequence[Run]) -> str:
    names, at = subjects_of(runs), busiest_but_one(runs)
    fields = {"services": "service", "broker": "broker", "database": "database", "load generator": "client"}
    memory = [(service, at, f"resident_mib.{service}", 0) for service in SERVICES]
    start = [("all ready", "first", "start_s", 1), ("first notice", "first", "first_notice_s", 1)]
    return "\n\n".join(
        [
            "Audits a second, by number of submitters:",
            _rates(runs),
            f"CPU milliseconds for each audit, {at} submitters:",
            _grid(runs, names, [(head, at, f"{field}_cpu_ms", 2) for head, field in fields.items()]),
            "Resident memory in MiB of each process after that, and seconds from the start of the processes:",
            _grid(runs, names, memory + start),
        ]
    )


def _backlog(runs: Sequence[Run]) -> str:
    fields = {"audits/s": ("audits_per_s", 0), "CPU ms each": ("service_cpu_ms", 2)}
    fields |= {f"MiB of {service} at the end": (f"resident_mib.{service}", 0) for service in SERVICES}
    rows = [
        [f"{int(label):,}", *(ranged(over_rounds(runs, TOUCHSTONE, label, f), n) for f, n in fields.values())]
        for label in labels_of(runs)
    ]
    return as_markdown(["audits waiting", *fields], rows)


def _latency(runs: Sequence[Run]) -> str:
    names = subjects_of(runs)
    rated = [name for name in RATED if name in names]
    rates = [("low", str(LOW_RATE)), *((label, label) for label in labels_of(runs))]
    heads = {"median": "latency_ms.median", "99 %": "latency_ms.p99", "service CPU ms each": "service_cpu_ms"}
    columns = [(f"{rate}: {head}", label, field, 1) for label, rate in rates for head, field in heads.items()]
    parts = [TIMES.rstrip(), _grid(runs, names, LATENCY)]
    if len(rates) > 1:
        parts += [
            "The same by audits that fall due each second:",
            *(_grid(runs, rated, columns[n : n + 3]) for n in range(0, len(columns), 3)),
        ]
    return "\n\n".join(parts)


LATENCY = [
    ("low load: median", "low", "latency_ms.median", 1),
    ("99 %", "low", "latency_ms.p99", 1),
    ("half of the most: median", "half", "latency_ms.median", 1),
    ("99 %", "half", "latency_ms.p99", 1),
    ("that is, audits/s", "half", "rate", 0),
]
RPC = [
    ("calls/s, one at a time", "sequential", "calls_per_s", 0),
    ("calls/s, 16 threads", "concurrent", "calls_per_s", 0),
    ("client CPU ms for each call", "sequential", "client_cpu_ms", 2),
]
DELIVERY = [
    ("notices", "delivery", "notices", 0),
    ("sent a second, restart included", "delivery", "notices_per_s", 0),
    ("restart of notification, s", "delivery", "ready_s", 1),
]
VALIDATION = [("µs of CPU for a good report of 62 criteria", "good", "cpu_us", 0)]
RATES, TIMES = "Audits a second:\n\n", "Milliseconds from submission to last notice:\n\n"
TABLES = {
    "throughput": ("Throughput, CPU, memory, start", _throughput),
    "latency": ("Latency", _latency),
    "fanout": ("Notices for each certificate (64 submitters)", lambda runs: RATES + _rates(runs)),
    "processes": ("Processes of each service (64 submitters)", lambda runs: RATES + _rates(runs)),
    "backlog": ("Backlogs", _backlog),
    "rpc": ("RPC", lambda runs: _grid(runs, RPC_CLIENTS, RPC, "client")),
    "delivery": ("Delivery to a local mail server", lambda runs: _grid(runs, [TOUCHSTONE], DELIVERY)),
    "validation": ("Validation", lambda runs: _grid(runs, [TOUCHSTONE, "marshmallow"], VALIDATION)),
}
