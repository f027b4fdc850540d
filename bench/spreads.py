"""Statistics of the benchmark: percentiles, medians with their range, and ratios round by round."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Run = Mapping[str, Any]


class Spread(NamedTuple):
    """A median with the lowest and the highest value, and how many values there were."""

    median: float
    low: float
    high: float
    rounds: int


def spread(values: Iterable[float]) -> Spread | None:
    """None of nothing."""
    known = sorted(values)
    return Spread(statistics.median(known), known[0], known[-1], len(known)) if known else None


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` (0 to 1) of all values do not exceed. Raises ValueError of nothing."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def median_and_p99(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "p99": round(percentile(values, 0.99), 2)}


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """Ours divided by theirs, for each round that has both."""
    return [ours[number] / theirs[number] for number in sorted(ours) if theirs.get(number)]


def by_round(runs: Iterable[Run], subject: str, label: str, field: str) -> dict[int, float]:
    """The value of a field in each round whose run was neither failed nor discarded."""
    counted = [run for run in runs if (run["subject"], run["label"]) == (subject, label) and counts(run)]
    return {run["round"]: value for run in counted if (value := value_of(run, field)) is not None}


def value_of(run: Run, field: str) -> Any:
    """Of a field such as `latency_ms.median`; None where there is none."""
    value: Any = run
    for name in field.split("."):
        value = value.get(name) if value is not None else None
    return value


def over_rounds(runs: Iterable[Run], subject: str, label: str, field: str) -> Spread | None:
    return spread(by_round(runs, subject, label, field).values())


def counts(run: Run) -> bool:
    return not run["faults"] and not run.get("discarded")
