"""Chooses what of the results is drawn, and writes the SVG files beside them."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.chart import Bar, Line, bars, lines
from bench.table import labels_of, of, subjects_of

Runs = Sequence[Mapping[str, Any]]
SERVICES = ("assessment", "certification", "notification", "membership")


def write(folder: Path, results: Mapping[str, Any]) -> list[Path]:
    """Those that something was measured for; gives their paths."""
    parts = {name: part["runs"] for name, part in results["parts"].items()}
    drawn: dict[str, str] = {}
    if "throughput" in parts:
        drawn |= {"throughput": _throughput(parts["throughput"]), "cpu": _cpu(parts["throughput"])}
    if "latency" in parts:
        drawn["latency"] = _latency(parts["latency"])
    if "backlog" in parts:
        drawn |= {"growth-throughput": _growth(parts["backlog"]), "growth-memory": _growth_memory(parts["backlog"])}
    written = []
    for name, svg in drawn.items():
        if svg:
            written.append(folder / f"{name}.svg")
            written[-1].write_text(svg)
    return written


def _throughput(runs: Runs) -> str:
    drawn = []
    for name in subjects_of(runs):
        found = [(int(label), of(runs, name, label, "audits_per_s")) for label in labels_of(runs)]
        drawn.append(Line(name, [(x, f.median, f.low, f.high) for x, f in found if f]))
    return lines("Throughput, from first submission to last notice", "submitters", "audits/s", drawn, log_x=True)


def _cpu(runs: Runs) -> str:
    labels = labels_of(runs)
    at = "64" if "64" in labels else labels[-1]
    fields = ("service_cpu_ms", "broker_cpu_ms", "database_cpu_ms")
    drawn = []
    for name in subjects_of(runs):
        found = [of(runs, name, at, field) for field in fields]
        if any(found):
            drawn.append(Bar(name, [f.median if f else None for f in found]))
    return bars(f"CPU for each audit, {at} submitters", "ms", ("services", "broker", "database"), drawn)


def _latency(runs: Runs) -> str:
    places = (("low", "median"), ("low", "p99"), ("half", "median"), ("half", "p99"))
    drawn = []
    for name in subjects_of(runs):
        found = [of(runs, name, label, f"latency_ms.{which}") for label, which in places]
        if any(found):
            drawn.append(Bar(name, [f.median if f else None for f in found]))
    names = ("low load, median", "low load, 99 %", "half of the most, median", "half of the most, 99 %")
    return bars("Latency from submission to last notice", "ms", names, drawn, stacked=False)


def _growth(runs: Runs) -> str:
    """Audits a second over the audits done before, in each backlog: flat where their number costs nothing."""
    drawn = []
    for run in _longest(runs):
        points, steps = run["series"], max(1, len(run["series"]) // 25)
        marks = points[::steps]
        rates = [
            (after[1], (after[1] - before[1]) / (after[0] - before[0]))
            for before, after in itertools.pairwise(marks)
            if after[0] > before[0] and before[1] > 0
        ]
        drawn.append(Line(f"backlog of {run['audits']:,}", [(x, y, y, y) for x, y in rates], marks=False))
    return lines("Growth: throughput by audits done before", "audits done", "audits/s", [d for d in drawn if d.points])


def _growth_memory(runs: Runs) -> str:
    counted = _longest(runs)
    if not counted:
        return ""
    longest = counted[0]
    drawn = []
    for service in SERVICES:
        points = [(done, mib[service]) for _, done, mib in longest["series"] if done and mib.get(service)]
        drawn.append(Line(service, [(x, y, y, y) for x, y in points], marks=False))
    title = f"Growth: memory of each service, backlog of {longest['audits']:,}"
    return lines(title, "audits done", "MiB resident", [d for d in drawn if d.points])


def _longest(runs: Runs) -> list[Mapping[str, Any]]:
    """One run that counts for each size, the largest first."""
    counted = {run["audits"]: run for run in runs if not run["faults"] and not run.get("discarded")}
    return [counted[size] for size in sorted(counted, reverse=True)]
