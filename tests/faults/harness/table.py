"""Prints the table of results: red where something was lost, doubled or left, yellow where a target was missed."""

from collections.abc import Sequence
from typing import Any

from harness import targets
from harness.results import LONGEST_SILENCE, Result
from rich.console import Console
from rich.table import Table

WIDTH = 120
RED, YELLOW = "red", "yellow"


def table(results: Sequence[Result]) -> Table:
    titles = ("audits", "lost", "doubled", "parked", "stall", "recovery", "target")
    table = Table("case", *titles, title=f"{len(results)} cases")
    for column in table.columns[1:]:
        column.justify = "right"
    for result in results:
        table.add_row(*row(result), style=_colour(result))
    return table


def show(results: Sequence[Result], console: Console | None = None) -> None:
    """The table; below it every fault, and every target that was missed."""
    console = console or Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table(results))
    for result in results:
        for colour, sentences in ((RED, result.faults), (YELLOW, result.missed)):
            for sentence in sentences:
                console.print(f"{result.case} (seed {result.seed}): {sentence}", style=colour, highlight=False)
    console.print(tally(results))


def tally(results: Sequence[Result]) -> str:
    """One sentence about all of them."""
    bad, missed = sum(not r.good for r in results), sum(bool(r.missed) for r in results)
    unreached = sum(not r.reached for r in results)
    lost, doubled, parked = (sum(getattr(r, name) for r in results) for name in ("lost", "doubled", "parked"))
    unjudged = sum(targets.cell(r) == targets.NOT_JUDGED for r in results)
    return (
        f"{len(results)} cases with {sum(r.audits for r in results)} audits: lost {lost}, doubled {doubled}, parked"
        f" {parked}; {bad} with faults, {missed} that missed a target ({unjudged} not judged),"
        f" {unreached} in which the fault did not strike"
    )


def row(result: Result) -> list[str]:
    """The cells of one result."""
    numbers: list[Any] = [result.audits, result.lost, result.doubled, result.parked]
    recovery = "not measured" if result.unmeasured else _seconds(result.recovery_s) + ("!" if result.missed else "")
    return [_case(result), *map(str, numbers), _seconds(result.stall_s), recovery, targets.cell(result)]


def _case(result: Result) -> str:
    """Its name, and what of it did not strike."""
    if result.kind == "soak" and result.measure >= LONGEST_SILENCE:
        return f"{result.case} ({len(result.recoveries)} of {result.to_strike} faults struck)"
    return result.case if result.reached else f"{result.case} (not reached)"


def _colour(result: Result) -> str:
    if not result.good:
        return RED
    return YELLOW if result.missed else ""


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
