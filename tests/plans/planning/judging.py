"""Has MongoDB explain a command and says what is wrong with the way in which it would be carried out."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from planning.recording import Shape
from pymongo.database import Database

SCAN, SORT, WASTE, ENDLESS = "collection scan", "sort in memory", "looks at too many", "without a limit"
TOO_MANY_TIMES = 10
LIST, PAGE = 200, 250
"""How long a list is at most, and what may be looked at in vain: so little is no cost that grows."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is wrong with one shape: `problem` is one of SCAN, SORT, WASTE and ENDLESS."""

    shape: str
    problem: str
    figures: str = dataclasses.field(compare=False, default="")

    def __str__(self) -> str:
        return f"{self.problem}: {self.shape} ({self.figures})"


def findings(database: Database[dict[str, Any]], shape: Shape) -> list[Finding]:
    """What is wrong with the plans by which `database` carries a shape out."""
    found = {one.problem: one for command in shape.commands for one in _findings_of(database, shape, command)}
    return list(found.values())


def _findings_of(database: Database[dict[str, Any]], shape: Shape, command: Mapping[str, Any]) -> list[Finding]:
    explained = database.command("explain", _paged(command), verbosity="executionStats")
    stages = set(_stages(explained))
    keys, documents, returned = figures(explained)
    told = f"{keys} keys, {documents} documents, {returned} found, {', '.join(sorted(stages))}"
    problems = []
    if "COLLSCAN" in stages:
        problems.append(SCAN)
    if stages & {"SORT", "$sort"}:
        problems.append(SORT)
    if max(keys, documents) > TOO_MANY_TIMES * returned + PAGE:
        problems.append(WASTE)
    if returned > PAGE and "limit" not in command:
        problems.append(ENDLESS)
    return [Finding(shape.name, problem, told) for problem in problems]


def _paged(command: Mapping[str, Any]) -> dict[str, Any]:
    """A list as long as a list gets: with a shorter one it would be luck how much lies before the first one found."""
    return dict(command) | ({"limit": LIST} if "limit" in command else {})


def figures(explained: Mapping[str, Any]) -> tuple[int, int, int]:
    """Keys and documents that were looked at, and how many documents these led to."""
    stats = [part for part in _parts(explained) if "totalDocsExamined" in part]
    assert stats, f"no figures in {str(explained)[:500]}"
    first = stats[0]
    matched = [part["nWouldModify"] for part in _parts(first) if "nWouldModify" in part]
    deleted = [part["nWouldDelete"] for part in _parts(first) if "nWouldDelete" in part]
    returned = max([first["nReturned"], *matched, *deleted])
    return first["totalKeysExamined"], first["totalDocsExamined"], returned


def _stages(explained: Mapping[str, Any]) -> Iterator[str]:
    """The stages of plans that were chosen, and those of an aggregation that are carried out on top."""
    for part in _parts(explained):
        winner = part.get("winningPlan")
        if isinstance(winner, Mapping):
            yield from (inner["stage"] for inner in _parts(winner) if "stage" in inner)
        yield from (name for name in ("$sort",) if name in part)


def _parts(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for name, inner in value.items():
            if name not in ("rejectedPlans", "command", "parsedQuery", "allPlansExecution"):
                yield from _parts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner)
