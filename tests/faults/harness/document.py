"""Writes what the results say into docs/reliability-results.md, between its two marks, and draws the recoveries."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness import exercised, plot, table, targets
from harness.infrastructure import NO_FAULT
from harness.results import FIRST_NOTICE, Result

PAGE = Path(__file__).parents[3] / "docs" / "reliability-results.md"
PLOT = "recovery.svg"
BEGIN, END = "<!-- results: written by `python tests/faults --document` -->", "<!-- end of results -->"
Code = Mapping[str, str]
"""As `exercised.code` gives it: results of another do not count."""
_CODE = re.compile(r"<!-- code: (.*) -->")
HEAD = ("fault", "cases", "audits", "lost", "doubled", "parked", "longest stall", "longest recovery", "target")
OLDER = ", before something that they exercise was touched"
TITLES = {"infrastructure": "Infrastructure", "soak": "Soak", "crash": "Crash points"}


def write(results: Sequence[Result], code: Code, page: Path = PAGE) -> None:
    """Puts the newest result of each case and seed between the marks. Raises ValueError when the page has none."""
    text = filled(page.read_text(), results, code)
    page.with_name(PLOT).write_text(plot.drawn(newest(results)))
    page.write_text(text)


def filled(text: str, results: Sequence[Result], code: Code | None = None) -> str:
    """The page with these results between its marks; if no `code` is given they count by the one that it names.

    Raises ValueError when it has no marks.
    """
    before, begin, rest = text.partition(BEGIN)
    held, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no place for the results: {BEGIN} ... {END}")
    if code is None:
        said = _CODE.search(held)
        code = json.loads(said[1]) if said else {}
    known = f"<!-- code: {json.dumps(code)} -->"
    return f"{before}{BEGIN}\n{known}\n\n{rendered(newest(results), code)}\n\n{END}{after}"


def newest(results: Sequence[Result]) -> list[Result]:
    """Of each case and seed, judged by the targets of today."""
    return [targets.judged_again(r) for r in {(result.case, result.seed): result for result in results}.values()]


def rendered(results: Sequence[Result], code: Code) -> str:
    """Markdown: what was not reached, one table for each kind of case, and such tables of what does not count."""
    counted = exercised.counted(results, code)
    known = {result.case for result in counted}
    older = [result for result in results if result.case not in known]
    parts = [overview(counted, older)] if results else []
    if plot.drawn(results):
        parts.append(f"![Recovery after each fault]({PLOT})")
    for own, since in ((counted, ""), (older, OLDER)):
        parts += [_part(kind, since, sorted((r for r in own if r.kind == kind), key=_order)) for kind in TITLES]
    return "\n\n".join(part for part in parts if part)


def _part(kind: str, since: str, results: Sequence[Result]) -> str:
    """One row for each fault: what all cases with it came to."""
    if not results:
        return ""
    faults: dict[str, list[Result]] = {}
    for result in results:
        faults.setdefault(_fault(result), []).append(result)
    lines = [
        f"### {TITLES[kind]}{since}",
        "",
        f"{table.tally(results)}.",
        f"Seed {_listed(str(r.seed) for r in results)}; {_commits(results)}; {_listed(r.at[:10] for r in results)}.",
        "",
        f"| {' | '.join(HEAD)} |",
        f"|{'---|' * len(HEAD)}",
        *(f"| {' | '.join(_row(fault, own))} |" for fault, own in sorted(faults.items())),
    ]
    remarks = [f"- {_said_of(r, sentence)}" for r in results for sentence in (*r.faults, *r.missed)]
    remarks += [f"- {r.case}: the fault did not strike" for r in results if not r.reached]
    if remarks:
        lines += ["", "What was found, and what was missed (`!`):", "", *remarks]
    return "\n".join(lines)


def _row(fault: str, results: Sequence[Result]) -> list[str]:
    """The cells of one fault. Where there is a target, the recovery is the longest of those that it judges."""
    sums = [sum(getattr(r, name) for r in results) for name in ("audits", "lost", "doubled", "parked")]
    judged = [seconds for r in results for _, seconds, _ in targets.judged(r)]
    measured = judged or [r.recovery_s for r in results if not r.unmeasured]
    recovery = _longest(measured) + ("!" if any(r.missed for r in results) else "")
    cells = {cell for r in results if (cell := targets.cell(r)) not in ("", targets.NOT_JUDGED)}
    return [fault, *map(str, [len(results), *sums]), _longest([r.stall_s for r in results]), recovery, _listed(cells)]


def _said_of(result: Result, sentence: str) -> str:
    return sentence if sentence.startswith(f"{result.case}:") else f"{result.case}: {sentence}"


def _longest(seconds: Iterable[float | None]) -> str:
    known = [s for s in seconds if s is not None]
    return f"{max(known):.1f} s" if known else ""


def _fault(result: Result) -> str:
    """What its case shares with others: the fault without the moment, the point and the mode without the service."""
    if result.kind == "crash":
        return result.case.partition("/")[2]
    return result.case.rpartition("/")[0] if result.kind == "infrastructure" else result.case


def overview(counted: Sequence[Result], older: Sequence[Result]) -> str:
    """Which targets were not reached, which results count, and how older ones were measured."""
    results = [*counted, *older]
    lines = [
        "**Targets that were not reached.**" if any(r.missed for r in results) else "No target was missed.",
        *_not_reached(results),
        "",
        f"{_many(counted)} count: when this was written, no commit had touched what they exercise since.",
    ]
    if older:
        lines[-1] += f" {_many(older)} are older, and stand below for themselves (`make faults` runs them again)."
    measured = sorted({r.commit for r in older if r.measure == FIRST_NOTICE})
    if measured:
        lines += ["", f'Measured in the older way (see "How to read it"): all cases of {", ".join(measured)}.']
    return "\n".join(lines)


def _many(results: Sequence[Result]) -> str:
    of_kinds = Counter(r.kind for r in results)
    named = ", ".join(f"{of_kinds[kind]} of {TITLES[kind].lower()}" for kind in TITLES if of_kinds[kind])
    return f"{len(results)} results" + (f" ({named})" if named else "")


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
    return ", ".join(sorted(set(values)))
