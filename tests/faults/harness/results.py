"""Keeps what came out of each case, so that a long run can be stopped and gone on with, and prints the table."""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 120


@dataclasses.dataclass
class Result:
    """One case that ran. Counts, and seconds; `stall_s` is the longest gap between two notices."""

    case: str
    seed: int
    commit: str
    at: str
    time: int
    reached: bool
    audits: int
    lost: int = 0
    doubled: int = 0
    parked: int = 0
    stall_s: float | None = None
    recovery_s: float | None = None
    """From the fault (for a stopped process: from its waking) to the first new event of that service."""
    took_s: float = 0.0
    mails_again: int = 0
    calls: dict[str, int] = dataclasses.field(default_factory=dict)
    faults: list[str] = dataclasses.field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.faults


class Results:
    """A JSON file with one object for each case that ran, whole after every case."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.all = [Result(**entry) for entry in json.loads(path.read_text())] if path.exists() else []

    def add(self, result: Result) -> None:
        self.all.append(result)
        lines = ",\n".join(json.dumps(dataclasses.asdict(result)) for result in self.all)
        draft = self._path.with_suffix(".draft")
        draft.write_text(f"[\n{lines}\n]\n")
        os.replace(draft, self._path)

    def of(self, case: str, seed: int) -> Result | None:
        return next((r for r in reversed(self.all) if (r.case, r.seed) == (case, seed)), None)


def table(results: Sequence[Result]) -> Table:
    titles = ("audits", "lost", "doubled", "parked", "stall", "recovery")
    table = Table("case", *titles, title=f"{len(results)} cases")
    for column in table.columns[1:]:
        column.justify = "right"
    for result in results:
        table.add_row(*_row(result), style="" if result.good else "red")
    return table


def show(results: Sequence[Result], console: Console | None = None) -> None:
    """The table, and every fault below it."""
    console = console or Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table(results))
    for result in results:
        for fault in result.faults:
            console.print(f"{result.case} (seed {result.seed}): {fault}", style="red", highlight=False)
    bad = sum(not result.good for result in results)
    unreached = sum(not result.reached for result in results)
    console.print(f"{len(results)} cases, {bad} with faults, {unreached} in which the point was not reached")


def _row(result: Result) -> list[str]:
    numbers: list[Any] = [result.audits, result.lost, result.doubled, result.parked]
    case = result.case if result.reached else f"{result.case} (not reached)"
    return [case, *map(str, numbers), _seconds(result.stall_s), _seconds(result.recovery_s)]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
