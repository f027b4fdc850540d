"""Writes what the results say into docs/reliability.md, between its two marks, and draws the recoveries beside it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import plot, table
from harness.results import Result

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
PLOT = "recovery.svg"
ROWS_SHOWN = 100
"""A longer table is folded."""
BEGIN, END = "<!-- results: written by `python tests/faults --document` -->", "<!-- end of results -->"
HEAD = ("case", "audits", "lost", "doubled", "parked", "stall", "recovery", "seed", "date")
TITLES = {"infrastructure": "Infrastructure", "soak": "Soak", "crash": "Crash points"}


def write(results: Sequence[Result], page: Path = PAGE) -> None:
    """Puts the newest result of each case and seed between the marks. Raises ValueError when the page has none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} has no place for the results: {BEGIN} ... {END}")
    newest = list({(result.case, result.seed): result for result in results}.values())
    picture = plot.drawn(newest)
    if picture:
        page.with_name(PLOT).write_text(picture)
    page.write_text(f"{before}{BEGIN}\n\n{rendered(newest)}\n\n{END}{after}")


def rendered(results: Sequence[Result]) -> str:
    """Markdown: one table for each kind of case."""
    parts = [_part(kind, sorted((r for r in results if r.kind == kind), key=_order)) for kind in TITLES]
    return "\n\n".join(part for part in parts if part)


def _part(kind: str, results: Sequence[Result]) -> str:
    if not results:
        return ""
    seeds = _listed(str(seed) for seed in {r.seed for r in results})
    commits = _listed({r.commit for r in results})
    days = _listed({r.at[:10] for r in results})
    lines = [
        f"### {TITLES[kind]}",
        "",
        f"{table.tally(results)}.",
        f"Seed {seeds}; commit {commits}; {days}.",
        "",
        *(["<details><summary>Each of them</summary>", ""] if len(results) > ROWS_SHOWN else []),
        f"| {' | '.join(HEAD)} |",
        f"|{'---|' * len(HEAD)}",
        *(f"| {' | '.join([*table.row(r), str(r.seed), r.at[:10]])} |" for r in results),
        *(["", "</details>"] if len(results) > ROWS_SHOWN else []),
    ]
    if kind == "infrastructure" and plot.drawn(results):
        lines += ["", f"![Recovery after each fault]({PLOT})"]
    remarks = [f"- {r.case}: {sentence}" for r in results for sentence in (*r.faults, *r.missed)]
    if remarks:
        lines += ["", "What was found, and what was missed (`!`):", "", *remarks]
    return "\n".join(lines)


def _order(result: Result) -> tuple[str, int]:
    return result.case, result.seed


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
