"""Draws a described walk: a column for each step, the broker above them all, and below each what it stores."""

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from walking.svg import GREY, arrow, box, drum, picture, text

from touchstone_contracts.events import assessment, certification, notification  # noqa: F401 - registers the events
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.topology import RPC_EXCHANGE, events_exchange, rpc_queue
from touchstone_devkit.folders import CHECKOUT

PATH = CHECKOUT / "docs" / "data-flow.svg"
TITLE = "The way of one audit from its submission to the mail: the modules that it comes through, messages and stores"
CHASSIS, CONTRACTS = "touchstone_chassis.", "touchstone_contracts."
IN = ("consuming", "rpc", "handlers", "auth", "validation")
OUT = ("unit_of_work", "scheduling", "outbox", "amqp")
"""The chassis' packages on the way to the service's code, and from it; all others are beside it and named below."""
JOBS = "scheduling"
"""Among the latter, but where a job is handed out: there the way begins with it."""
MAILING = "channels"
"""The service's package that speaks with the mail server."""

BLUE, GREEN, YELLOW = ("#e6edf7", "#9fb0c3"), ("#dff0e2", "#93b89a"), ("#fff3cf", "#b8973a")
VIOLET, FIELD = ("#efe8f8", "#8b75b5"), ("#f7f8fa", "#d5dae1")
EDGE, LANE, COLUMN, GUTTER = 14, 124, 208, 42
LINE, CHARACTERS = 15, 31
BROKER, EXCHANGES, QUEUES, BROKER_END = 64, 90, 148, 204
TOP = BROKER_END + 44
PANEL_HEAD, GAP = 20, 6


class Picture:
    """Where everything is, and the shapes of it."""

    def __init__(self, steps: Sequence[dict[str, Any]]):
        self._steps = steps
        self._parts = [_panels(step) for step in steps]
        heights = [max(_height(panels[row]) for panels in self._parts) + 30 for row in range(3)]
        *self._tops, self._stored = itertools.accumulate(heights, initial=TOP)
        self._end = self._stored + 52 + LINE * max(len(_collections(step)) for step in steps)
        self._consumed = {step["event"] for step in steps if "event" in step}

    def svg(self) -> str:
        below = _beside(self._steps)
        columns = (shape for number in range(len(self._steps)) for shape in self._column(number))
        notes = (text(EDGE, self._end + 26 + 17 * n, line, fill=GREY) for n, line in enumerate(below))
        shapes = [*self._lanes(), *columns, *self._calls(), *self._mail(), *notes]
        return picture(_x(len(self._steps)) + LANE + EDGE, self._end + 26 + 17 * len(below), TITLE, shapes)

    def _lanes(self) -> Iterator[str]:
        """A field for the client, one for each service over all of its steps, one for the mail server; the broker."""
        services = itertools.groupby(enumerate(self._steps), lambda numbered: numbered[1]["service"])
        fields = [(EDGE, LANE, "client"), (_x(len(self._steps)), LANE, "mail server")]
        for service, group in services:
            columns = [number for number, _step in group]
            fields.append((_x(columns[0]) - 10, _x(columns[-1]) - _x(columns[0]) + COLUMN + 20, service))
        for x, width, title in fields:
            yield box(x, 10, width, self._end - 10, *FIELD, round=6)
            yield text(x + width / 2, 32, title, size=17, bold=True, middle=True)
        left, right = _x(0) - 10, _x(len(self._steps)) - 6
        yield box(left, BROKER, right - left, BROKER_END - BROKER, *VIOLET)
        yield text(left + 10, BROKER + 18, "broker", size=17, bold=True)

    def _column(self, number: int) -> Iterator[str]:
        step, x = self._steps[number], _x(number)
        middle = x + COLUMN / 2
        yield text(middle, 54, f"{number + 1}  {step['step']}", size=14, bold=True, middle=True)
        titles = ("chassis", step["service"], "chassis")
        for top, parts, title, colour in zip(self._tops, self._parts[number], titles, (BLUE, GREEN, BLUE), strict=True):
            yield from _panel(x, top, title, colour, parts)
        for top, parts, following in zip(self._tops, self._parts[number], self._tops[1:], strict=False):
            yield arrow([(middle, top + _height(parts)), (middle, following)])
        yield from self._begin(number)
        yield from self._store(number)
        stories = [event for event in step["published"] if not REGISTRY[event].record]
        for event in stories:
            yield from self._publish(number, event, records=len(step["published"]) - len(stories))

    def _begin(self, number: int) -> Iterator[str]:
        """What the step begins with, and where that comes from."""
        step, x = self._steps[number], _x(number)
        down = [(x + 20, QUEUES + 42), (x + 20, TOP)]
        if event := step.get("event"):
            yield from _chip(x, QUEUES, COLUMN, f"queue of {step['service']}", event)
            yield arrow(down)
            yield text(x + 30, TOP - 14, REGISTRY[event].__name__, bold=True)
        if call := step.get("call"):
            yield arrow(down, both=True)
            yield text(x + 30, TOP - 14, call, bold=True)
        if job := step.get("job"):
            stored, handed_out, gutter = self._stored + 30, self._tops[0] + PANEL_HEAD + 12, x - GUTTER / 2
            yield arrow(
                [(_x(number - 1) + COLUMN, stored), (gutter, stored), (gutter, handed_out), (x + 6, handed_out)]
            )
            yield text(x + 8, TOP - 14, f"job {job}, due at once", bold=True)

    def _publish(self, number: int, event: str, *, records: int) -> Iterator[str]:
        """From the outbox by the connection to the exchange, and to the queue of the step that waits for it.

        `records` go with it and the way goes on from none of them.
        """
        start, gutter = self._tops[2] + _height(self._parts[number][2]) - 24, _x(number) + COLUMN + GUTTER / 2
        left = min(gutter - 100, _x(len(self._steps)) - 214)
        yield arrow([(_x(number) + COLUMN - 6, start), (gutter, start), (gutter, EXCHANGES + 42)])
        whither = f", and {records} records" if records else "" if event in self._consumed else ", for outsiders"
        exchange = f"{events_exchange(self._steps[number]['service'])}{whither}"
        yield from _chip(left, EXCHANGES, 200, REGISTRY[event].__name__, exchange)
        if event in self._consumed:
            follower = next(n for n, step in enumerate(self._steps) if step.get("event") == event)
            middle, y = _x(follower) + COLUMN / 2, EXCHANGES + 20
            yield arrow([(left + 200, y), (middle, y), (middle, QUEUES)])

    def _store(self, number: int) -> Iterator[str]:
        step, x, y = self._steps[number], _x(number), self._stored
        names, transactions = _collections(step), len(step["transactions"])
        written, side = self._tops[2] + PANEL_HEAD + 14, x - 5
        yield arrow([(x + 6, written), (side, written), (side, y + 26), (x, y + 26)])
        yield from drum(x, y, COLUMN, 42 + LINE * len(names), *YELLOW)
        title = "one transaction" if transactions == 1 else f"{transactions} transactions"
        yield text(x + COLUMN / 2, y + 30, title, fill=GREY, middle=True)
        for line, name in enumerate(names):
            yield text(x + COLUMN / 2, y + 30 + LINE * (line + 1), name, bold=True, middle=True)

    def _calls(self) -> Iterator[str]:
        """One queue for all calls of a service, and the client before it."""
        called = [number for number, step in enumerate(self._steps) if "call" in step]
        width = _x(called[-1]) + COLUMN - _x(called[0])
        service = self._steps[called[0]]["service"]
        yield from _chip(_x(called[0]), QUEUES, width, f"calls of {service}", f"{RPC_EXCHANGE}, {rpc_queue(service)}")
        yield from _chip(EDGE + 8, QUEUES, LANE - 16, "touchstone", "Python, shell")
        yield arrow([(EDGE + LANE - 8, QUEUES + 21), (_x(called[0]), QUEUES + 21)], both=True)

    def _mail(self) -> Iterator[str]:
        number, y = len(self._steps) - 1, self._tops[1] + PANEL_HEAD
        for where, lines in self._parts[number][1]:
            if where == MAILING:
                y += _box_height(lines) / 2
                break
            y += _box_height(lines) + GAP
        yield arrow([(_x(number) + COLUMN - 6, y), (_x(number + 1) + 8, y)])
        yield from _chip(_x(number + 1) + 8, y - 21, LANE - 16, "mail", "by SMTP")


def draw(steps: Sequence[dict[str, Any]]) -> str:
    """The picture as SVG."""
    return Picture(steps).svg()


Part = tuple[str, list[str]]
"""A package, and its modules in lines that fit a box."""


def _x(number: int) -> int:
    """Where a column begins; after the last one, the mail server's lane."""
    return EDGE + LANE + GUTTER + number * (COLUMN + GUTTER)


def _panels(step: dict[str, Any]) -> tuple[list[Part], list[Part], list[Part]]:
    """What is on the way in, of the service, and on the way out."""
    entered, left = IN, OUT
    if "job" in step:
        entered, left = (JOBS, *IN), tuple(name for name in OUT if name != JOBS)
    return _parts(step, CHASSIS, entered), _parts(step, f"{step['service']}."), _parts(step, CHASSIS, left)


def _parts(step: dict[str, Any], prefix: str, only: Sequence[str] = ()) -> list[Part]:
    found = {where.removeprefix(prefix): names for where, names in step["packages"].items() if where.startswith(prefix)}
    shown = [where for where in only or found if where in found]
    return [(where, textwrap.wrap(_grouped(found[where]), CHARACTERS, break_on_hyphens=False)) for where in shown]


def _grouped(names: str) -> str:
    """`a.b a.c d` as `a (b, c), d`."""
    parts = []
    for inner, group in itertools.groupby(names.split(), lambda name: name.rpartition(".")[0]):
        leaves = ", ".join(name.rpartition(".")[2] for name in group)
        parts.append(f"{inner} ({leaves})" if inner else leaves)
    return ", ".join(parts)


def _collections(step: dict[str, Any]) -> list[str]:
    return sorted(set(itertools.chain(*step["transactions"])))


def _beside(steps: Iterable[dict[str, Any]]) -> list[str]:
    """How to read it, and what else of ours the walk comes through."""
    walked = dict.fromkeys(itertools.chain.from_iterable(step["packages"] for step in steps))
    chassis = sorted(w.removeprefix(CHASSIS) for w in walked if w.startswith(CHASSIS))
    contracts = sorted(w.removeprefix(CONTRACTS) for w in walked if w.startswith(CONTRACTS))
    return [
        "Recorded from one audit in a running system: packages in bold, below them those of their modules that it "
        "comes through. An arrow with two heads is a call and its answer.",
        f"Beside the way, of the chassis: {', '.join(name for name in chassis if name not in (*IN, *OUT))}; "
        f"of the contracts: {', '.join(contracts)}.",
    ]


def _box_height(lines: Sequence[str]) -> int:
    return LINE * (1 + len(lines)) + 8


def _height(parts: Sequence[Part]) -> int:
    return PANEL_HEAD + sum(_box_height(lines) + GAP for _where, lines in parts)


def _panel(x: float, y: float, title: str, colour: tuple[str, str], parts: Sequence[Part]) -> Iterator[str]:
    yield box(x, y, COLUMN, _height(parts), *colour)
    yield text(x + 8, y + 14, title, fill=GREY)
    y += PANEL_HEAD
    for where, lines in parts:
        yield box(x + 6, y, COLUMN - 12, _box_height(lines), "white", colour[1], round=3)
        yield text(x + 12, y + 15, where, size=13, bold=True)
        for number, line in enumerate(lines, start=1):
            yield text(x + 12, y + 15 + LINE * number, line, fill=GREY)
        y += _box_height(lines) + GAP


def _chip(x: float, y: float, width: float, name: str, below: str) -> Iterator[str]:
    yield box(x, y, width, 42, "white", VIOLET[1])
    yield text(x + width / 2, y + 18, name, bold=True, middle=True)
    yield text(x + width / 2, y + 34, below, fill=GREY, middle=True)
