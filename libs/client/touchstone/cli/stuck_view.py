"""Prints unfinished cases for people: one row each, with what it waits for as the widest column."""

import datetime
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from touchstone.cases.event_words import age
from touchstone.cases.stuck import Line
from touchstone.cli.render import Output, clean

_CASE_WIDTH_MAX, _STATE_WIDTH_MAX, _WHO_WIDTH_MAX = 36, 26, 16


def show_lines(output: Output, lines: Sequence[Line], now: datetime.datetime) -> None:
    """`who` is who has to act; `waits for` what has to come, all of it where it is more than one thing."""
    table = Table(title=_title(lines), title_justify="left", box=None, padding=(0, 1), title_style="")
    for name, width_max in (("case", _CASE_WIDTH_MAX), ("stands at", _STATE_WIDTH_MAX), ("for", None)):
        table.add_column(name, header_style="dim", overflow="fold", max_width=width_max, no_wrap=name == "for")
    table.add_column("who", header_style="dim", overflow="fold", max_width=_WHO_WIDTH_MAX)
    table.add_column("waits for", header_style="dim", overflow="fold", ratio=1)
    for line in lines:
        table.add_row(*(Text(clean(cell)) for cell in _cells(line, now)))
    output.out.print(table)


def waited_s(line: Line, now: datetime.datetime) -> float:
    """Of what has no beginning that is known: for ever."""
    return (now - line.since).total_seconds() if line.since else float("inf")


def _cells(line: Line, now: datetime.datetime) -> tuple[str, ...]:
    number = f" (certificate {line.certificate_number})" if line.certificate_number is not None else ""
    return (
        f"{line.case or '-'}{number}",
        f"{line.service}: {line.state}",
        age(waited_s(line, now)) if line.since else "?",
        line.who or "nobody",
        "; and for ".join([line.waits_for, *line.also]),
    )


def _title(lines: Sequence[Line]) -> str:
    cases = len({line.case for line in lines if line.case})
    others = len(lines) - cases
    parts = [f"{cases} unfinished case{'' if cases == 1 else 's'}"] * bool(cases)
    parts += [f"{others} thing{'' if others == 1 else 's'} of no single case"] * bool(others)
    return ", ".join(parts)
