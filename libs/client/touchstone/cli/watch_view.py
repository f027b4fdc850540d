"""Shows events as they pass: a live table at a terminal, a line each elsewhere, or JSON lines."""

import collections
import contextlib
import datetime
import time
from collections.abc import Iterator

from rich.live import Live
from rich.table import Table
from rich.text import Text

from touchstone.cli.render import Output, clean, masked
from touchstone.events.watching import SeenEvent, watch

_ROWS_MAX = 200


def show_events(output: Output, amqp_uri: str, *, until_idle_s: float | None = None) -> None:
    """Show events until ctrl-c, or until none came for `until_idle_s` seconds."""
    with contextlib.suppress(KeyboardInterrupt):
        events = _until_idle(amqp_uri, until_idle_s)
        if output.as_json:
            for event in events:
                output.json(event.message, indent=None)
        elif output.out.is_terminal:
            _live(output, events)
        else:
            for event in events:
                output.line("  ".join(_cells(event)))


def _until_idle(amqp_uri: str, idle_s: float | None) -> Iterator[SeenEvent]:
    last = time.monotonic()
    for event in watch(amqp_uri):
        if event is not None:
            last = time.monotonic()
            yield event
        elif idle_s is not None and time.monotonic() - last >= idle_s:
            return


def _live(output: Output, events: Iterator[SeenEvent]) -> None:
    rows: collections.deque[SeenEvent] = collections.deque(maxlen=_ROWS_MAX)
    with Live(_table(rows), console=output.out, refresh_per_second=8, vertical_overflow="crop") as live:
        for event in events:
            rows.append(event)
            shown = max(5, output.out.height - 4)
            live.update(_table(list(rows)[-shown:]))


def _table(events: collections.deque[SeenEvent] | list[SeenEvent]) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim", expand=False)
    for name in ("time", "event", "subject", "what"):
        table.add_column(name, overflow="fold")
    for event in events:
        table.add_row(*(Text(cell) for cell in _cells(event)))
    return table


def _cells(event: SeenEvent) -> list[str]:
    shown = SeenEvent(event.received_at, event.type, event.subject, masked(event.message))
    moment = datetime.datetime.fromtimestamp(event.received_at).strftime("%H:%M:%S.%f")[:-3]
    return [clean(cell) for cell in (moment, shown.type, shown.subject, shown.summary())]
