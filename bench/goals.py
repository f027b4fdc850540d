"""Judges what was measured against the goals: each a median of ratios, round by round, with its range."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bench.plan import TOUCHSTONE
from bench.spreads import Run, by_round, over_rounds, ratios, spread

AT_LEAST, AT_MOST = "at least", "at most"
Values = Callable[[list[Run]], list[float]]
SERVICES = ("assessment", "certification", "notification", "membership")


class Goal(NamedTuple):
    """`values` reads the ratios of all rounds from one part's runs."""

    name: str
    part: str
    direction: str
    goal: float
    values: Values


def judged(parts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All goals, JSON-ready, of the parts of results.json. A goal not measured has `median` and `met` null."""
    return [_judged(goal, parts.get(goal.part, {})) for goal in GOALS]


def _judged(goal: Goal, part: Mapping[str, Any]) -> dict[str, Any]:
    runs = list(part.get("runs", []))
    found, sign = spread(goal.values(runs)), 1 if goal.direction == AT_LEAST else -1
    return {
        "name": goal.name,
        "goal": goal.goal,
        "direction": goal.direction,
        "median": round(found.median, 3) if found else None,
        "low": round(found.low, 3) if found else None,
        "high": round(found.high, 3) if found else None,
        "rounds": found.rounds if found else 0,
        "met": found.median * sign >= goal.goal * sign if found else None,
        "discarded": sum(bool(run.get("discarded")) for run in runs) if not found else 0,
        "part": goal.part,
        **{about: part.get(about) for about in ("commit", "at", "quick")},
    }


def _ratio(field: str, ours: tuple[str, str], theirs: tuple[str, str]) -> Values:
    """Of two subjects with their labels, in the same round."""
    return lambda runs: ratios(by_round(runs, *ours, field), by_round(runs, *theirs, field))


def _to(peer: str, label: str, field: str = "audits_per_s") -> Values:
    """Our value divided by the peer's, for the same load."""
    return _ratio(field, (TOUCHSTONE, label), (peer, label))


def _grown(service: str) -> Values:
    """Memory after 200,000 audits to memory after 1,000; the long run is made once, the short one in each round."""

    def values(runs: list[Run]) -> list[float]:
        field = f"resident_mib.{service}"
        large, small = by_round(runs, TOUCHSTONE, "200000", field), over_rounds(runs, TOUCHSTONE, "1000", field)
        return [value / small.median for value in large.values()] if small else []

    return values


def _to_raw_pika(rate: int) -> Values:
    return _to("raw_pika", str(rate), _MEDIAN)


_NAMEKO, _CPU, _CALLS, _MEDIAN = "plain_nameko", "service_cpu_ms", "calls_per_s", "latency_ms.median"
_LONGER = _ratio("audits_per_s", (TOUCHSTONE, "50000"), (TOUCHSTONE, "10000"))
_FASTER = _ratio("cpu_us", ("marshmallow", "good"), (TOUCHSTONE, "good"))
_AT = ((34, 1.8), (70, 2.5), (100, 3), (140, 3.5))
GOALS = (
    Goal("throughput_to_plain_nameko_16", "throughput", AT_LEAST, 3, _to(_NAMEKO, "16")),
    Goal("throughput_to_plain_nameko_64", "throughput", AT_LEAST, 5, _to(_NAMEKO, "64")),
    Goal("throughput_to_raw_pika_64", "throughput", AT_LEAST, 2.5, _to("raw_pika", "64")),
    Goal("throughput_to_celery_16", "throughput", AT_LEAST, 2, _to("celery_tasks", "16")),
    Goal("throughput_to_dramatiq_16", "throughput", AT_LEAST, 2, _to("dramatiq_actors", "16")),
    Goal("throughput_of_ceiling_64", "throughput", AT_LEAST, 0.5, _to("ceiling", "64")),
    Goal("service_cpu_to_plain_nameko_16", "throughput", AT_MOST, 0.3, _to(_NAMEKO, "16", _CPU)),
    Goal("service_cpu_to_plain_nameko_64", "throughput", AT_MOST, 0.3, _to(_NAMEKO, "64", _CPU)),
    Goal("low_load_median_to_plain_nameko", "latency", AT_MOST, 1, _to(_NAMEKO, "low", _MEDIAN)),
    Goal("low_load_p99_to_plain_nameko", "latency", AT_MOST, 1, _to(_NAMEKO, "low", "latency_ms.p99")),
    Goal("service_cpu_34_a_second_to_plain_nameko", "latency", AT_MOST, 1.5, _to(_NAMEKO, "34", _CPU)),
    *(Goal(f"median_{rate}_a_second_to_raw_pika", "latency", AT_MOST, most, _to_raw_pika(rate)) for rate, most in _AT),
    Goal("backlog_50000_to_10000", "backlog", AT_LEAST, 0.95, _LONGER),
    Goal("rpc_sequential_to_nameko", "rpc", AT_LEAST, 6, _to("nameko", "sequential", _CALLS)),
    Goal("rpc_sequential_to_bare_pika", "rpc", AT_LEAST, 0.9, _to("pika", "sequential", _CALLS)),
    Goal("rpc_concurrent_to_bare_pika", "rpc", AT_LEAST, 0.9, _to("pika", "concurrent", _CALLS)),
    *(Goal(f"memory_{name}_200000_to_1000", "backlog", AT_MOST, 1.1, _grown(name)) for name in SERVICES),
    Goal("validation_to_marshmallow", "validation", AT_LEAST, 5, _FASTER),
)
