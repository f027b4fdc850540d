"""Judges what was measured against the goals: each a median of ratios, round by round, with its range."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from bench.spreads import Spread, ratios, spread

AT_LEAST: Literal["at least"] = "at least"
AT_MOST: Literal["at most"] = "at most"
Parts = Mapping[str, Mapping[str, Any]]
"""What results.json has under `parts`: for each part its runs, and when and on which commit they were made."""
SERVICES = ("assessment", "certification", "notification", "membership")


@dataclasses.dataclass(frozen=True)
class Goal:
    """One component of a row of the issue's table. `values` reads the ratios of all rounds from one part's runs."""

    name: str
    row: str
    goal: float
    direction: Literal["at least", "at most"]
    part: str
    values: Callable[[list[dict[str, Any]]], list[float]]

    def met_by(self, median: float) -> bool:
        return median >= self.goal if self.direction == AT_LEAST else median <= self.goal


def judged(parts: Parts) -> list[dict[str, Any]]:
    """All goals, JSON-ready. A goal that was not measured has `median` and `met` null."""
    return [_judged(goal, parts.get(goal.part, {})) for goal in GOALS]


def by_round(runs: Iterable[Mapping[str, Any]], subject: str, label: str, field: str) -> dict[int, float]:
    """The value of a field (`latency_ms.median`) in each round whose run was neither failed nor discarded."""
    found: dict[int, float] = {}
    for run in runs:
        if (run["subject"], run["label"]) == (subject, label) and not run["faults"] and not run.get("discarded"):
            value: Any = run
            for name in field.split("."):
                value = value.get(name) if value is not None else None
            if value is not None:
                found[run["round"]] = value
    return found


def _judged(goal: Goal, part: Mapping[str, Any]) -> dict[str, Any]:
    found: Spread | None = spread(goal.values(list(part.get("runs", []))))
    return {
        "name": goal.name,
        "row": goal.row,
        "goal": goal.goal,
        "direction": goal.direction,
        "median": round(found.median, 3) if found else None,
        "low": round(found.low, 3) if found else None,
        "high": round(found.high, 3) if found else None,
        "rounds": found.rounds if found else 0,
        "met": goal.met_by(found.median) if found else None,
        "discarded": sum(bool(run.get("discarded")) for run in part.get("runs", [])) if not found else 0,
        "part": goal.part,
        "commit": part.get("commit"),
        "at": part.get("at"),
        "quick": part.get("quick"),
    }


def _to(
    peer: str, label: str, field: str, *, ours: str = "touchstone"
) -> Callable[[list[dict[str, Any]]], list[float]]:
    """Our value divided by the peer's, for the same load in the same round."""
    return lambda runs: ratios(by_round(runs, ours, label, field), by_round(runs, peer, label, field))


def _longer(longer: str, shorter: str) -> Callable[[list[dict[str, Any]]], list[float]]:
    def values(runs: list[dict[str, Any]]) -> list[float]:
        field = "audits_per_s"
        return ratios(by_round(runs, "touchstone", longer, field), by_round(runs, "touchstone", shorter, field))

    return values


def _grown(service: str) -> Callable[[list[dict[str, Any]]], list[float]]:
    """Memory after 200,000 audits to memory after 1,000; the long run is made once, the short one in each round."""

    def values(runs: list[dict[str, Any]]) -> list[float]:
        field = f"resident_mib.{service}"
        large = by_round(runs, "touchstone", "200000", field)
        small = spread(by_round(runs, "touchstone", "1000", field).values())
        return [value / small.median for value in large.values()] if small else []

    return values


def _inverse(values: Callable[[list[dict[str, Any]]], list[float]]) -> Callable[[list[dict[str, Any]]], list[float]]:
    return lambda runs: [1 / value for value in values(runs) if value]


_NAMEKO, _CPU = "plain_nameko", "service_cpu_ms"
_OTHERS = {"faststream": "fast_stream", "celery": "celery_tasks", "dramatiq": "dramatiq_actors"}
_ROW_1 = "throughput to plain nameko, 16 / 64 submitters"
_ROW_3 = "throughput to FastStream, Celery, dramatiq, 16 submitters"
_ROW_6 = "low-load latency to plain nameko, median and 99th"
_ROW_9 = "our RPC client to a bare pika client"
_ROW_10 = "memory of a service at 200,000 audits, to the same at 1,000"
GOALS = (
    Goal("throughput_to_plain_nameko_16", _ROW_1, 3, AT_LEAST, "throughput", _to(_NAMEKO, "16", "audits_per_s")),
    Goal("throughput_to_plain_nameko_64", _ROW_1, 5, AT_LEAST, "throughput", _to(_NAMEKO, "64", "audits_per_s")),
    Goal(
        "throughput_to_raw_pika_64",
        "throughput to raw pika threads, 64 submitters",
        2.5,
        AT_LEAST,
        "throughput",
        _to("raw_pika", "64", "audits_per_s"),
    ),
    *(
        Goal(f"throughput_to_{name}_16", _ROW_3, 2, AT_LEAST, "throughput", _to(peer, "16", "audits_per_s"))
        for name, peer in _OTHERS.items()
    ),
    Goal(
        "throughput_of_ceiling_64",
        "throughput of the ceiling, 64 submitters",
        0.5,
        AT_LEAST,
        "throughput",
        _to("ceiling", "64", "audits_per_s"),
    ),
    *(
        Goal(
            f"service_cpu_to_plain_nameko_{label}",
            "service CPU per audit to plain nameko",
            0.3,
            AT_MOST,
            "throughput",
            _to(_NAMEKO, label, _CPU),
        )
        for label in ("16", "64")
    ),
    *(
        Goal(
            f"low_load_{which}_to_plain_nameko",
            _ROW_6,
            1,
            AT_MOST,
            "latency",
            _to(_NAMEKO, "low", f"latency_ms.{which}"),
        )
        for which in ("median", "p99")
    ),
    Goal(
        "backlog_50000_to_10000",
        "50,000 to 10,000 backlog, throughput",
        0.95,
        AT_LEAST,
        "backlog",
        _longer("50000", "10000"),
    ),
    Goal(
        "rpc_sequential_to_nameko",
        "our RPC client to nameko's stock client, sequential",
        6,
        AT_LEAST,
        "rpc",
        _to("nameko", "sequential", "calls_per_s"),
    ),
    *(
        Goal(f"rpc_{label}_to_bare_pika", _ROW_9, 0.9, AT_LEAST, "rpc", _to("pika", label, "calls_per_s"))
        for label in ("sequential", "concurrent")
    ),
    *(Goal(f"memory_{name}_200000_to_1000", _ROW_10, 1.1, AT_MOST, "backlog", _grown(name)) for name in SERVICES),
    Goal(
        "validation_to_marshmallow",
        "validation of a good 60-criteria audit, to marshmallow as it comes (times faster)",
        5,
        AT_LEAST,
        "validation",
        _inverse(_to("marshmallow", "good", "cpu_us")),
    ),
)
"""The eleven rows of the issue's second section, some of them in several components."""
