"""Writes what the results say into docs/reliability.md, between its two marks, and draws the recoveries beside it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import plot, table, targets
from harness.infrastructure import NO_FAULT
from harness.results import FIRST_NOTICE, Result

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
PLOT = "recovery.svg"
ROWS_SHOWN = 100
"""A longer table is folded."""
BEGIN, END = "<!-- results: written by `python tests/faults --document` -->", "<!-- end of results -->"
HEAD = ("case", "audits", "lost", "doubled", "parked", "stall", "recovery", "target", "seed", "commit", "date")
TITLES = {"infrastructure": "Infrastructure", "soak": "Soak", "crash": "Crash points"}


def write(results: Sequence[Result], page: Path = PAGE) -> None:
    """Puts the newest result of each case and seed between the marks. Raises ValueError when the page has none."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} has no place for the results: {BEGIN} ... {END}")
    newest = [targets.judged_again(r) for r in {(result.case, result.seed): result for result in results}.values()]
    picture = plot.drawn(newest)
    if picture:
        page.with_name(PLOT).write_text(picture)
    page.write_text(f"{before}{BEGIN}\n\n{rendered(newest)}\n\n{END}{after}")


def rendered(results: Sequence[Result]) -> str:
    """Markdown: what was not reached, and one table for each kind of case."""
    parts = [overview(results)] if results else []
    parts += [_part(kind, sorted((r for r in results if r.kind == kind), key=_order)) for kind in TITLES]
    return "\n\n".join(part for part in parts if part)


def _part(kind: str, results: Sequence[Result]) -> str:
    if not results:
        return ""
    seeds = _listed(str(seed) for seed in {r.seed for r in results})
    days = _listed({r.at[:10] for r in results})
    lines = [
        f"### {TITLES[kind]}",
        "",
        f"{table.tally(results)}.",
        f"Seed {seeds}; {_commits(results)}; {days}.",
        "",
        *(["<details><summary>Each of them</summary>", ""] if len(results) > ROWS_SHOWN else []),
        f"| {' | '.join(HEAD)} |",
        f"|{'---|' * len(HEAD)}",
        *(f"| {' | '.join([*table.row(r), str(r.seed), r.commit, r.at[:10]])} |" for r in results),
        *(["", "</details>"] if len(results) > ROWS_SHOWN else []),
    ]
    if kind == "infrastructure" and plot.drawn(results):
        lines += ["", f"![Recovery after each fault]({PLOT})"]
    remarks = [f"- {r.case}: {sentence}" for r in results for sentence in (*r.faults, *r.missed)]
    if remarks:
        lines += ["", "What was found, and what was missed (`!`):", "", *remarks]
    return "\n".join(lines)


def overview(results: Sequence[Result]) -> str:
    """Which targets were not reached, at which commits the results were found, and how they were measured."""
    ran = [
        f"{TITLES[kind].lower()} at {_commits(own)}"
        for kind in TITLES
        if (own := [r for r in results if r.kind == kind])
    ]
    several = len({r.commit for r in results}) > 1
    older = sorted({r.commit for r in results if r.measure == FIRST_NOTICE})
    lines = [
        "**Targets that were not reached.**" if any(r.missed for r in results) else "No target was missed.",
        *_not_reached(results),
        "",
        f"Not all of this is one commit: {'; '.join(ran)}."
        if several
        else f"All of this is commit {results[0].commit}.",
    ]
    if older:
        lines += ["", f'Measured in the older way (see "How to read the table"): all rows of {", ".join(older)}.']
    return "\n".join(lines)


def _not_reached(results: Sequence[Result]) -> list[str]:
    """Of each fault: how many cases with it missed its target, and by how much."""
    of_fault: dict[str, list[tuple[float | None, float]]] = {}
    for result in results:
        for name, seconds, limit_s in targets.judged(result):
            place = "crash points, `kill`" if result.kind == "crash" else name
            of_fault.setdefault(f"soak, {name}" if result.kind == "soak" else place, []).append((seconds, limit_s))
    lines = []
    for fault, recoveries in sorted(of_fault.items()):
        slow = [(seconds, limit_s) for seconds, limit_s in recoveries if targets.is_missed(seconds, limit_s)]
        if slow:
            said = ", ".join(sorted("nothing new came" if s is None else f"{s:.1f} s" for s, _ in slow))
            lines.append(f"- {fault}: {len(slow)} of {len(recoveries)} took more than {slow[0][1]:g} s: {said}")
    drains = [sentence for result in results if result.case.startswith(NO_FAULT) for sentence in result.missed]
    lines += [f"- {NO_FAULT}/deploy: {sentence}" for sentence in drains]
    return ["", *lines] if lines else []


def _commits(results: Sequence[Result]) -> str:
    """`commit a (3 cases), commit b (1 case)`."""
    counts = sorted(Counter(r.commit for r in results).items())
    return ", ".join(f"commit {commit} ({n} case{'s' if n > 1 else ''})" for commit, n in counts)


def _order(result: Result) -> tuple[str, int]:
    return result.case, result.seed


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
