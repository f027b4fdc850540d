"""Draws what was measured as charts, SVG files beside the results."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.goals import SERVICES
from bench.plan import LOW_RATE, TOUCHSTONE
from bench.spreads import Run, counts, over_rounds
from bench.table import busiest_but_one, labels_of, subjects_of

Runs = Sequence[Run]
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "touchstone",  # the same results are drawn as the same file
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#dddddd",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "legend.frameon": False,
}


def write(folder: Path, results: Mapping[str, Any]) -> list[Path]:
    """Those that something was measured for; gives their paths."""
    written = []
    for name, (part, draw, title, x_title, y_title) in CHARTS.items():
        runs = results["parts"].get(part, {}).get("runs", [])
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(8, 4), layout="constrained")
            axes = figure.subplots()
            axes.set(title=title, xlabel=x_title, ylabel=y_title)
            axes.yaxis.set_major_formatter("{x:,.4g}")
            draw(axes, runs)
            if axes.has_data():
                axes.set_ylim(bottom=0 if axes.get_yscale() == "linear" else None)
                figure.legend(loc="outside right upper")
                written.append(folder / f"{name}.svg")
                figure.savefig(written[-1], metadata={"Date": None})
    return written


def _throughput(axes: Axes, runs: Runs) -> None:
    labels = labels_of(runs)
    for name in subjects_of(runs):
        found = [(int(label), s) for label in labels if (s := over_rounds(runs, name, label, "audits_per_s"))]
        xs, medians = [x for x, _ in found], [s.median for _, s in found]
        ranges = [[s.median - s.low for _, s in found], [s.high - s.median for _, s in found]]
        if found:
            axes.errorbar(xs, medians, ranges, label=name, linewidth=3 if name == TOUCHSTONE else 1.5, marker="o")
    axes.set_xscale("log", base=2)
    axes.set_xticks([int(label) for label in labels], labels)


def _cpu(axes: Axes, runs: Runs) -> None:
    at = busiest_but_one(runs)
    parts = {"services": (at, "service_cpu_ms"), "broker": (at, "broker_cpu_ms"), "database": (at, "database_cpu_ms")}
    _bars(axes, runs, parts, stacked=True)
    axes.set_xlabel(f"{at} submitters")


def _latency(axes: Axes, runs: Runs) -> None:
    parts = {
        f"{load}, {figure}": (label, f"latency_ms.{field}")
        for load, label in (("low load", "low"), ("half of the most", "half"))
        for figure, field in (("median", "median"), ("99 %", "p99"))
    }
    _bars(axes, runs, parts, stacked=False)


def _rates(axes: Axes, runs: Runs) -> None:
    """On a scale of powers: who is overloaded is told by its height, and flattens nobody else."""
    loads = [(LOW_RATE, "low"), *((int(label), label) for label in labels_of(runs))]
    for name in subjects_of(runs):
        found = [(rate, s) for rate, label in loads if (s := over_rounds(runs, name, label, "latency_ms.median"))]
        ranges = [[s.median - s.low for _, s in found], [s.high - s.median for _, s in found]]
        if len(found) > 1:
            width = 3 if name == TOUCHSTONE else 1.5
            xs, medians = [rate for rate, _ in found], [s.median for _, s in found]
            axes.errorbar(xs, medians, ranges, label=name, linewidth=width, marker="o")
    axes.set_yscale("log", base=2)


def _bars(axes: Axes, runs: Runs, parts: Mapping[str, tuple[str, str]], *, stacked: bool) -> None:
    """For each subject a bar of all parts, or one bar for each part; what was not measured is not there."""
    names = subjects_of(runs)
    width, tops = 0.7 / (1 if stacked else len(parts)), [0.0] * len(names)
    for number, (part, (label, field)) in enumerate(parts.items()):
        spreads = [over_rounds(runs, name, label, field) for name in names]
        heights = [spread.median if spread else 0.0 for spread in spreads]
        at = [index + (0 if stacked else (number - (len(parts) - 1) / 2) * width) for index in range(len(names))]
        if any(spreads):
            bars = axes.bar(at, heights, width, bottom=tops if stacked else None, label=part)
            tops = [top + height for top, height in zip(tops, heights, strict=True)]
            if not stacked or number == len(parts) - 1:
                axes.bar_label(bars, [f"{top:.1f}" for top in tops] if stacked else None, fmt="%.0f", fontsize=7)
    axes.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])


def _growth(axes: Axes, runs: Runs) -> None:
    """In each backlog: flat where the number of audits done before costs nothing."""
    for run in _longest(runs):
        marks = run["series"][:: max(1, len(run["series"]) // 25)]
        pairs = [(a, b) for a, b in itertools.pairwise(marks) if b[0] > a[0] and a[1] > 0]
        rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs]
        axes.plot([b[1] for _, b in pairs], rates, label=f"backlog of {run['audits']:,}")
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _growth_memory(axes: Axes, runs: Runs) -> None:
    for run in _longest(runs)[:1]:
        for service in SERVICES:
            points = [(done, mib[service]) for _, done, mib in run["series"] if done and mib.get(service)]
            axes.plot([done for done, _ in points], [mib for _, mib in points], label=service)
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _longest(runs: Runs) -> list[Run]:
    """One run that counts for each size, the largest first."""
    counted = {run["audits"]: run for run in runs if counts(run)}
    return [counted[size] for size in sorted(counted, reverse=True)]


DONE, LATENCY = "audits done", "Latency from submission to last notice"
THROUGHPUT = "Throughput, from first submission to last notice"
CHARTS = {
    "throughput": ("throughput", _throughput, THROUGHPUT, "submitters", "audits/s"),
    "cpu": ("throughput", _cpu, "CPU for each audit", "", "ms"),
    "latency": ("latency", _latency, LATENCY, "", "ms"),
    "latency-rates": ("latency", _rates, f"{LATENCY}, median", "audits that fall due each second", "ms"),
    "growth-throughput": ("backlog", _growth, "Growth: throughput by audits done before", DONE, "audits/s"),
    "growth-memory": ("backlog", _growth_memory, "Growth: memory in the longest backlog", DONE, "MiB resident"),
}
