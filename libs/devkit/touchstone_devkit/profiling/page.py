"""Writes the profile as one page that needs nothing else: waterfalls, tables, flame graphs, in light and dark."""

import dataclasses
import html
from collections.abc import Iterable, Mapping, Sequence

from touchstone_devkit.profiling.assembling import PATH, Trace
from touchstone_devkit.profiling.bars import flames, waterfall
from touchstone_devkit.profiling.look import SCRIPT, STYLE
from touchstone_devkit.profiling.sampling import Frame, own_by_origin
from touchstone_devkit.profiling.summing import Line, Summary


@dataclasses.dataclass(frozen=True)
class Profile:
    """What a page shows. `machine`: a sentence on where and when. `not_sampled`: why there are no flame graphs.

    `unrecorded`: CPU of each service without the recorder, in milliseconds an audit, with as many submitters.
    """

    machine: str
    summaries: Sequence[Summary]
    unrecorded: Mapping[str, float]
    samples: Mapping[str, Frame]
    not_sampled: str = ""


def page(profile: Profile) -> str:
    """The whole HTML document."""
    parts = [
        _head(profile),
        *(_waterfalls(summary) for summary in profile.summaries),
        _steps(profile.summaries),
        _beside(profile.summaries),
        _cpu(profile.summaries, profile.unrecorded),
        _commands(profile.summaries),
        _flames(profile),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Where the time of an audit goes</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main><script>{SCRIPT}</script></body></html>\n"
    )


def _head(profile: Profile) -> str:
    rows = [
        [
            s.title,
            str(s.submitted),
            str(len(s.traces)),
            f"{s.median.ms:.1f}",
            f"{s.p99.ms:.1f}",
            f"{s.submitted / s.wall_s:.1f}",
            f"{sum(c.all_ms for c in s.cpu):.1f}",
            str(sum(t.tries for t in s.traces)),
            str(sum(t.deliveries for t in s.traces)),
        ]
        for s in profile.summaries
    ]
    names = ["load", "audits", "traced", "median ms", "p99 ms", "audits/s", "CPU ms", "run again", "delivered again"]
    return (
        f"<h1>Where the time of an audit goes</h1><p>{html.escape(profile.machine)} From the submitting call to the "
        "recorded notices; mail is not sent. Recording costs CPU itself, and the sandbox that it needs reads the "
        "clock's offset from the database four times a second: compare within the page rather than with other "
        f"measurements.</p>{_table(names, rows, words=1)}"
    )


def _waterfalls(summary: Summary) -> str:
    shown = [("median", summary.median), ("99th percentile", summary.p99)]
    parts = [_one_waterfall(summary.title, name, trace) for name, trace in shown]
    return f"<h2>{html.escape(summary.title)}</h2>{''.join(parts)}"


def _one_waterfall(title: str, name: str, trace: Trace) -> str:
    again = f", {trace.tries} tries run again" if trace.tries else ""
    return (
        f"<h3>The {name} audit, {html.escape(title)}: {trace.ms:.1f} ms{again}</h3>"
        '<p class="dim">Dark: CPU of the step (as if it had come first). Pale: beside the path, delays nothing on it. '
        f"Grey: commands to the database.</p>{waterfall(trace)}"
    )


def _steps(summaries: Sequence[Summary]) -> str:
    names = ["hop", "step", *(f"{column}" for _ in summaries for column in ("median ms", "p99 ms", "share", "CPU ms"))]
    rows = [
        [hop, step, *(cell for line in lines for cell in _cells(line))]
        for (hop, step), lines in _side_by_side([s.lines for s in summaries])
    ]
    return f"<h2>Steps on the path</h2>{_over(summaries, 4)}{_table(names, rows, words=2)}"


def _beside(summaries: Sequence[Summary]) -> str:
    names = ["hop", "step", *(f"{column}" for _ in summaries for column in ("median ms", "p99 ms", "CPU ms"))]
    rows = [
        [hop, step, *(cell for line in lines for cell in _cells(line, share=False))]
        for (hop, step), lines in _side_by_side([s.beside for s in summaries])
    ]
    return f"<h2>Beside the path</h2>{_over(summaries, 3)}{_table(names, rows, words=2)}"


def _over(summaries: Sequence[Summary], columns: int) -> str:
    loads = "; ".join(f"{['first', 'second', 'third'][n]} {columns}: {s.title}" for n, s in enumerate(summaries))
    return f'<p class="dim">Columns: {html.escape(loads)}. Share of all audits\' time; CPU as the mean of an audit.</p>'


def _side_by_side(tables: Sequence[Sequence[Line]]) -> Iterable[tuple[tuple[str, str], list[Line | None]]]:
    """The lines of several tables for each step, in the order of the first; what only later ones have comes last."""
    found: dict[tuple[str, str], list[Line | None]] = {}
    for number, lines in enumerate(tables):
        for line in lines:
            found.setdefault((line.hop, line.name), [None] * len(tables))[number] = line
    hops = ["client", *(service for service, _ in PATH)]
    return sorted(found.items(), key=lambda item: hops.index(item[0][0]))


def _cells(line: Line | None, *, share: bool = True) -> list[str]:
    if line is None:
        return ["", "", "", ""] if share else ["", "", ""]
    shares = [f"{line.share:.1%}" if line.share is not None else ""] if share else []
    return [f"{line.median_ms:.2f}", f"{line.p99_ms:.2f}", *shares, "" if line.cpu_ms is None else f"{line.cpu_ms:.2f}"]


def _cpu(summaries: Sequence[Summary], unrecorded: Mapping[str, float]) -> str:
    rows = [
        [s.title, c.service, *(f"{ms:.2f}" for ms in (c.all_ms, c.path_ms, c.beside_ms, c.elsewhere_ms))]
        for s in summaries
        for c in s.cpu
    ]
    rows += [["the same, not recorded", service, f"{ms:.2f}", "", "", ""] for service, ms in unrecorded.items()]
    names = ["load", "service", "CPU ms an audit", "on the path", "beside it", "elsewhere"]
    return (
        f"<h2>CPU of the services</h2>{_table(names, rows, words=2)}"
        '<p class="dim">Elsewhere: reading from the broker, starting workers, switching greenlets, sweeps, health, and '
        "the recording. One at a time, what a service does by itself between two audits is in it, too.</p>"
    )


def _commands(summaries: Sequence[Summary]) -> str:
    rows = [
        [s.title, c.service, _for_readers(c.name), f"{c.each:.2f}", f"{c.median_ms:.2f}", f"{c.whole_ms:.2f}"]
        for s in summaries
        for c in s.commands
    ]
    names = ["load", "service", "command", "an audit", "median ms", "ms an audit"]
    return f"<h2>Commands to the database</h2>{_table(names, rows, words=3)}"


def _for_readers(command: str) -> str:
    return f"{command} (in a sandbox only)" if command == "find clock" else command


def _flames(profile: Profile) -> str:
    if profile.not_sampled:
        return f"<h2>CPU flame graphs</h2><p>There are none: {html.escape(profile.not_sampled)}</p>"
    parts = []
    for service, root in profile.samples.items():
        own = sorted(own_by_origin(root).items(), key=lambda item: -item[1])
        shares = ", ".join(f"{name} {count / max(1, root.samples):.0%}" for name, count in own)
        parts.append(
            f"<h3>{html.escape(service)}: {root.samples} samples</h3>"
            f'<p class="dim">Whose code was running: {html.escape(shares)}.</p>{flames(root)}'
        )
    return (
        "<h2>CPU flame graphs</h2><p>Many submitters at once, without the recording of moments. Outermost call on top; "
        "a click widens a frame, a click on the top row shows all again. Waiting for messages, or for a core, is left "
        f"out.</p>{''.join(parts)}"
    )


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], *, words: int) -> str:
    """The first `words` columns hold words, the others numbers."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(_cell(cell, number >= words) for number, cell in enumerate(row)) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str, is_number: bool) -> str:
    return f"<td{' class=n' if is_number else ''}>{html.escape(text)}</td>"
