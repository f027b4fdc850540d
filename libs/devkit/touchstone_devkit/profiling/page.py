"""Shows a profile in the terminal and writes the same as a page, with the flame graphs that lie beside it."""

from collections.abc import Sequence
from pathlib import Path

from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from touchstone_devkit.profiling.submitting import Load
from touchstone_devkit.profiling.traces import PATH, Audit

Loads = Sequence[tuple[Load, Sequence[Audit]]]
COLOURS = dict(zip(["client", *PATH], ["#888888", "#3b82c4", "#c4703b", "#4a9d5b"], strict=True))
WORDS = {"hop", "step", "load", ""}
BAR_WIDTH = 80


def at(share: float, values: Sequence[float]) -> float:
    """The value at this place when they are ordered."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def show(machine: str, loads: Loads, untraced: Load, folder: Path) -> None:
    """Prints it, and writes `folder`/index.html."""
    console = Console(record=True, width=BAR_WIDTH + 70)
    console.print(f"Where the time of an audit goes, in ms. {machine} Pale: beside the way, delays nothing on it.")
    console.print(_loads(loads, untraced), _steps(loads), sep="\n\n")
    for load, audits in loads:
        for share in (0.5, 0.99):
            ms = at(share, [audit.ms for audit in audits])
            audit = next(audit for audit in audits if audit.ms == ms)
            console.print("", _waterfall(f"{load.title}, the audit at {share:.0%}: {ms:.1f} ms", audit), sep="\n")
    flames = [f'<object data="{path.name}" width="100%"></object>' for path in sorted(folder.glob("*.svg"))]
    drawn = "".join(flames) or "There are no flame graphs: py-spy said above why."
    html = console.export_html(theme=DEFAULT_TERMINAL_THEME).replace("</body>", f"{drawn}</body>")
    (folder / "index.html").write_text(html, encoding="utf-8")


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, box=None, title_justify="left")
    for column in columns:
        table.add_column(column, no_wrap=True, justify="left" if column in WORDS else "right")
    return table


def _loads(loads: Loads, untraced: Load) -> Table:
    table = _table("load", "traced", "median", "p99", "run again", "audits/s", *(f"CPU {hop}" for hop in PATH))
    for load, audits in [*loads, (untraced, [])]:
        ms = [audit.ms for audit in audits]
        found = [f"{at(0.5, ms):.1f}", f"{at(0.99, ms):.1f}", str(sum(a.again for a in audits))] if ms else [""] * 3
        costs = [f"{len(load.sent) / load.wall_s:.1f}", *(f"{spent:.1f}" for spent in load.cpu_ms.values())]
        table.add_row(load.title, str(len(audits)), *found, *costs)
    return table


def _steps(loads: Loads) -> Table:
    """Of each load a step's median and 99th percentile, and its share of the way."""
    table = _table(
        "hop", "step", *(f"{load.title}\n{name}" for load, _ in loads for name in ("median", "p99", "share"))
    )
    steps = dict.fromkeys(step.key for _load, audits in loads for audit in audits for step in audit.steps)
    for beside, hop, name in sorted(steps, key=lambda key: (key[0], [*COLOURS].index(key[1]))):
        cells = []
        for _load, audits in loads:
            ms = [step.ms for audit in audits for step in audit.steps if step.key == (beside, hop, name)] or [0.0]
            share = sum(ms) / sum(audit.ms for audit in audits)
            cells += [f"{at(0.5, ms):.2f}", f"{at(0.99, ms):.2f}", "" if beside else f"{share:.1%}"]
        table.add_row(hop, name, *cells, style="dim" if beside else "")
    return table


def _waterfall(title: str, audit: Audit) -> Table:
    table = _table("hop", "step", "", "ms", title=title)
    begun, ended = audit.steps[0].begun, max(step.ended for step in audit.steps)
    for step in audit.steps:
        bar = Bar(ended - begun, step.begun - begun, step.ended - begun, width=BAR_WIDTH, color=COLOURS[step.hop])
        table.add_row(step.hop, step.name, bar, f"{step.ms:.2f}", style="dim" if step.beside else "")
    return table
