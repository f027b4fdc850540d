"""Statistics of the benchmark: percentiles, medians with their range, and ratios round by round."""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Spread:
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


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """Ours divided by theirs, for each round that has both."""
    return [ours[number] / theirs[number] for number in sorted(ours) if theirs.get(number)]
