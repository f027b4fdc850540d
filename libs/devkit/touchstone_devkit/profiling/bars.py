"""Draws waterfalls and flame graphs as plain HTML: bars placed by percent of a width, each with its words and title."""

import html
from collections.abc import Iterator, Sequence

from touchstone_devkit.profiling.assembling import PATH, Step, Trace
from touchstone_devkit.profiling.sampling import Frame, origin

SHARE_SHOWN_MIN = 0.002
"""A frame of a flame graph that is narrower is left out."""
DEPTH_MAX = 90
ROW_PX = 17
TICKS = 6


def waterfall(trace: Trace) -> str:
    """Each step a row, below each other in the order of time; lighter bars are beside the path and delay nothing."""
    begun = trace.path[0].begun
    width = max(step.ended for step in [*trace.path, *trace.beside]) - begun
    hops = [service for service, _ in PATH]
    rows = [_ticks(width / 1e6)]
    client = [step for step in trace.beside if step.hop not in hops]
    rows += [_row(step, begun, width, beside=True) for step in client]
    for hop in hops:
        path = [step for step in trace.path if step.hop == hop]
        rows.append(_hop(hop, sum(step.ms for step in path), sum(step.cpu or 0 for step in path) / 1e6))
        beside = [step for step in trace.beside if step.hop == hop]
        ordered = [(step, False) for step in path] + [(step, True) for step in beside]
        rows += [_row(step, begun, width, beside=aside) for step, aside in sorted(ordered, key=lambda p: p[0].begun)]
        rows.append(_commands([step for step in trace.commands if step.hop == hop], begun, width))
    return f'<div class="fall">{"".join(rows)}</div>'


def _ticks(width_ms: float) -> str:
    marks = "".join(f'<i style="left:{100 * n / TICKS:.3f}%">{width_ms * n / TICKS:.1f}</i>' for n in range(TICKS))
    return f'<span class="name dim">ms since the submission</span><span class="track ticks">{marks}</span><b></b>'


def _hop(hop: str, ms: float, cpu_ms: float) -> str:
    return f'<h4 class="{hop}">{hop}<small>{ms:.1f} ms on the path, {cpu_ms:.1f} ms of it CPU</small></h4>'


def _row(step: Step, begun: int, width: int, *, beside: bool) -> str:
    cpu = "" if step.cpu is None else f"CPU {step.cpu / 1e6:.2f}"
    kind = "bar beside" if beside else "bar"
    busy = "" if step.cpu is None or beside else _busy(step)
    title = html.escape(f"{step.hop}: {step.name}, {step.ms:.2f} ms {cpu}", quote=True)
    bar = f'<span class="{kind} {step.hop}" style="{_place(step, begun, width)}" title="{title}">{busy}</span>'
    name = f'<span class="name{" dim" if beside else ""}">{html.escape(step.name)}</span>'
    return f'{name}<span class="track">{bar}</span><b>{step.ms:.2f}<em>{cpu}</em></b>'


def _busy(step: Step) -> str:
    """The part of the bar that was CPU, as if it had come first."""
    length = step.ended - step.begun
    share = min(1.0, (step.cpu or 0) / length) if length else 0.0
    return f'<u style="width:{share * 100:.1f}%"></u>'


def _commands(commands: Sequence[Step], begun: int, width: int) -> str:
    if not commands:
        return ""
    bars = "".join(
        f'<span class="bar command" style="{_place(c, begun, width)}" '
        f'title="{html.escape(f"{c.name}, {c.ms:.2f} ms", quote=True)}"></span>'
        for c in commands
    )
    name = f'<span class="name dim">{len(commands)} database commands</span>'
    return f'{name}<span class="track">{bars}</span><b>{sum(c.ms for c in commands):.2f}<em></em></b>'


def _place(step: Step, begun: int, width: int) -> str:
    return f"left:{100 * (step.begun - begun) / width:.3f}%;width:{100 * (step.ended - step.begun) / width:.3f}%"


def flames(root: Frame) -> str:
    """The outermost call on top; a click widens a frame to the whole width, a click on the top row undoes that."""
    placed = list(_placed(root))
    depth = max((level for _frame, level, _left in placed), default=0)
    bars = "".join(_flame(frame, level, left, root.samples) for frame, level, left in placed)
    return f'<div class="flames" style="height:{(depth + 1) * ROW_PX}px">{bars}</div>'


def _placed(root: Frame) -> Iterator[tuple[Frame, int, int]]:
    """Frames that are wide enough to be seen, each with its level and how many samples lie to its left."""
    least = max(1.0, root.samples * SHARE_SHOWN_MIN)
    waiting = [(root, 0, 0)]
    while waiting:
        frame, level, left = waiting.pop()
        yield frame, level, left
        for called in sorted(frame.calls.values(), key=lambda f: -f.samples):
            if called.samples >= least and level < DEPTH_MAX:
                waiting.append((called, level + 1, left))
            left += called.samples


def _flame(frame: Frame, level: int, left: int, samples: int) -> str:
    share = frame.samples / max(1, samples)
    kind = origin(frame.where).replace(", ", "-").replace(" ", "-")
    words = html.escape(frame.function, quote=True)
    title = html.escape(f"{frame.function} ({frame.where}): {share:.1%}, {frame.samples} samples", quote=True)
    place = f"left:{100 * left / max(1, samples):.3f}%;width:{share * 100:.3f}%;top:{level * ROW_PX}px"
    return f'<span class="o-{kind}" style="{place}" title="{title}">{words}</span>'
