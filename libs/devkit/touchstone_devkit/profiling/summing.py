"""Sums up many traces: how long each step takes, its share of the whole, and its CPU time."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence

from touchstone_devkit.profiling.assembling import PATH, Load, Step, Trace, command_name
from touchstone_devkit.profiling.moments import Recorded


@dataclasses.dataclass(frozen=True)
class Line:
    """One step over all traces. Milliseconds; `share` of the sum of all ways (0 to 1), None for what ran beside.

    `cpu_ms` is the mean for an audit, None where nobody counted it.
    """

    hop: str
    name: str
    median_ms: float
    p99_ms: float
    share: float | None
    cpu_ms: float | None
    traces: int


@dataclasses.dataclass(frozen=True)
class Cpu:
    """CPU of one service for an audit, in milliseconds: all of it, and what of it was on the path and beside it."""

    service: str
    all_ms: float
    path_ms: float
    beside_ms: float

    @property
    def elsewhere_ms(self) -> float:
        """Reading from the broker, the switching between greenlets, health, sweeps; and the recording itself."""
        return max(0.0, self.all_ms - self.path_ms - self.beside_ms)


@dataclasses.dataclass(frozen=True)
class Command:
    """One kind of command to the database: how often for an audit, its median, and all of it for an audit (ms)."""

    service: str
    name: str
    each: float
    median_ms: float
    whole_ms: float


@dataclasses.dataclass(frozen=True)
class Summary:
    """What one load made of the audits' ways."""

    title: str
    traces: Sequence[Trace]
    submitted: int
    wall_s: float
    lines: Sequence[Line]
    beside: Sequence[Line]
    cpu: Sequence[Cpu]
    commands: Sequence[Command]

    @property
    def median(self) -> Trace:
        return at_quantile(self.traces, 0.5)

    @property
    def p99(self) -> Trace:
        return at_quantile(self.traces, 0.99)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them do not exceed. Raises ValueError for none."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def at_quantile(traces: Sequence[Trace], share: float) -> Trace:
    """The trace at this place when they are ordered by duration."""
    wanted = quantile([trace.ms for trace in traces], share)
    return next(trace for trace in traces if trace.ms == wanted)


def sum_up(title: str, traces: Sequence[Trace], load: Load, recorded: Mapping[str, Recorded]) -> Summary:
    """`traces`: of the audits of `load`; `recorded`: by service. Raises ValueError when there are no traces."""
    submitted = len(load.sent)
    if not traces:
        raise ValueError(f"{title}: of {submitted} audits none was recorded from its submission to its notices")
    whole_ms = sum(trace.ms for trace in traces)
    lines = _lines([trace.path for trace in traces], whole_ms)
    beside = _lines([trace.beside for trace in traces], None)
    cpu = [
        Cpu(service, all_ms, _cpu_of(lines, service), _cpu_of(beside, service))
        for service, all_ms in cpu_ms_an_audit(load).items()
    ]
    commands = _commands(load, recorded)
    return Summary(title, traces, submitted, load.wall_s, lines, beside, cpu, commands)


def _commands(load: Load, recorded: Mapping[str, Recorded]) -> list[Command]:
    """Whoever sent them: for one audit, for a group, or for nobody (a sweep)."""
    found: dict[tuple[str, str], list[float]] = {}
    for service, here in recorded.items():
        for moment in filter(load.holds, here.commands):
            found.setdefault((service, command_name(moment)), []).append(moment.names["took"] / 1e6)
    audits = len(load.sent)
    commands = [
        Command(service, name, len(ms) / audits, statistics.median(ms), sum(ms) / audits)
        for (service, name), ms in found.items()
    ]
    return sorted(commands, key=lambda command: -command.whole_ms)


def cpu_ms_an_audit(load: Load) -> dict[str, float]:
    """Of each service, in milliseconds."""
    return {service: spent * 1000 / len(load.sent) for service, spent in load.cpu_s.items()}


def _cpu_of(lines: Sequence[Line], service: str) -> float:
    return sum(line.cpu_ms or 0.0 for line in lines if line.hop == service)


def _lines(ways: Sequence[Sequence[Step]], whole_ms: float | None) -> list[Line]:
    found: dict[tuple[str, str], list[Step]] = {}
    for step in (step for way in sorted(ways, key=len, reverse=True) for step in way):
        found.setdefault((step.hop, step.name), []).append(step)
    hops = ["client", *(service for service, _ in PATH)]
    lines = [_line(hop, name, steps, len(ways), whole_ms) for (hop, name), steps in found.items()]
    return sorted(lines, key=lambda line: hops.index(line.hop))


def _line(hop: str, name: str, steps: Sequence[Step], audits: int, whole_ms: float | None) -> Line:
    """The mean CPU is over all audits, so that a step that only some have counts for what it costs in all."""
    ms = [step.ms for step in steps]
    cpu = [step.cpu for step in steps if step.cpu is not None]
    return Line(
        hop,
        name,
        statistics.median(ms),
        quantile(ms, 0.99),
        None if whole_ms is None else sum(ms) / whole_ms if whole_ms else 0.0,
        sum(cpu) / 1e6 / audits if cpu else None,
        len(steps),
    )
