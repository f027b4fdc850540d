"""Draws charts as SVG: lines and grouped or stacked bars, with axes that begin at zero."""

import dataclasses
import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 46, 52
STYLE = "text{font:12px sans-serif;fill:#333}.title{font:bold 14px sans-serif}.grid{stroke:#ddd}.axis{stroke:#888}"
COLOURS = ("#c0392b", "#4c78a8", "#f58518", "#54a24b", "#b279a2", "#9d755d", "#888888")
_INNER_W, _INNER_H = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM


@dataclasses.dataclass(frozen=True)
class Line:
    """Points with the lowest and highest value of each; without a range all three are the same."""

    name: str
    points: Sequence[tuple[float, float, float, float]]
    """(x, y, low, high)"""
    marks: bool = True


@dataclasses.dataclass(frozen=True)
class Bar:
    """One bar: parts one on top of the other, by the names of the chart's parts; a part may be unknown."""

    name: str
    parts: Sequence[float | None]


def lines(title: str, x_title: str, y_title: str, drawn: Sequence[Line], *, log_x: bool = False) -> str:
    """Several lines over one axis; `log_x` spreads 1, 16, 64, 256 evenly."""
    xs = sorted({point[0] for line in drawn for point in line.points})
    if not xs:
        return ""
    top = nice_top(max(point[3] for line in drawn for point in line.points))
    place = _log_place(xs) if log_x else _linear_place(nice_top(xs[-1]))
    ticks = xs if log_x else [nice_top(xs[-1]) * part / 4 for part in range(5)]
    parts = [*_frame(title, y_title, top), *_x_ticks(ticks, place, x_title)]
    for number, line in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)]
        spots = [(place(x), _y(y, top), _y(low, top), _y(high, top)) for x, y, low, high in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in spots)
        width = 3 if number == 0 else 1.5
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        for x, y, low, high in spots if line.marks else []:
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}" opacity=".5"/>'
            )
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
    return _svg([*parts, *_legend([line.name for line in drawn])])


def bars(title: str, y_title: str, part_names: Sequence[str], drawn: Sequence[Bar], *, stacked: bool = True) -> str:
    """One bar for each name, its parts stacked or side by side."""
    totals = [[value or 0.0 for value in bar.parts] for bar in drawn]
    highest = max((sum(values) if stacked else max(values, default=0.0) for values in totals), default=0.0)
    if highest <= 0:
        return ""
    top, step = nice_top(highest), _INNER_W / len(drawn)
    parts = _frame(title, y_title, top)
    for index, bar in enumerate(drawn):
        left, base = LEFT + index * step + step * 0.15, 0.0
        width = step * 0.7 / (1 if stacked else len(part_names))
        for number, value in enumerate(totals[index]):
            x = left if stacked else left + number * width
            y, foot = _y(base + value, top), _y(base, top)
            shape = (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{foot - y:.1f}" fill="{COLOURS[number]}">'
            )
            parts.append(f"{shape}<title>{escape(bar.name)}, {escape(part_names[number])}: {value:.2f}</title></rect>")
            base += value if stacked else 0.0
        total = base if stacked else max(totals[index])
        middle = LEFT + (index + 0.5) * step
        parts.append(f'<text x="{middle:.1f}" y="{_y(total, top) - 5:.1f}" text-anchor="middle">{total:.3g}</text>')
        parts.append(_under(bar.name, middle))
    return _svg([*parts, *_legend(part_names)])


def nice_top(highest: float) -> float:
    """The end of an axis: the next of 1, 2, 2.5, 4, 5, 8, 10 times a power of ten."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(factor * power for factor in (1, 2, 2.5, 4, 5, 8, 10) if factor * power >= highest * 0.9999)


def _y(value: float, top: float) -> float:
    return TOP + _INNER_H * (1 - value / top)


def _linear_place(top: float):  # type: ignore[no-untyped-def]
    return lambda x: LEFT + _INNER_W * x / top


def _log_place(xs: Sequence[float]):  # type: ignore[no-untyped-def]
    low, high = math.log(xs[0]), math.log(xs[-1])
    return lambda x: LEFT + 20 + (_INNER_W - 40) * ((math.log(x) - low) / (high - low) if high > low else 0.5)


def _frame(title: str, y_title: str, top: float) -> list[str]:
    parts = [
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
        f'<text x="{LEFT}" y="{TOP - 8}" text-anchor="middle">{escape(y_title)}</text>',
    ]
    for part in range(5):
        y = _y(top * part / 4, top)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + _INNER_W}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{top * part / 4:,.4g}</text>')
    return parts


def _x_ticks(ticks: Sequence[float], place, title: str) -> list[str]:  # type: ignore[no-untyped-def]
    parts = [
        f'<text x="{place(x):.1f}" y="{TOP + _INNER_H + 18}" text-anchor="middle">{_number(x)}</text>' for x in ticks
    ]
    middle = LEFT + _INNER_W / 2
    return [*parts, f'<text x="{middle}" y="{TOP + _INNER_H + 38}" text-anchor="middle">{escape(title)}</text>']


def _number(x: float) -> str:
    return f"{x:,.0f}" if x >= 10 or x == int(x) else f"{x:.2g}"


def _under(name: str, middle: float) -> str:
    words = name.split("_")
    rows = "".join(f'<tspan x="{middle:.1f}" dy="14">{escape(word)}</tspan>' for word in words)
    return f'<text x="{middle:.1f}" y="{TOP + _INNER_H + 4}" text-anchor="middle">{rows}</text>'


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], LEFT + _INNER_W + 18
    for number, name in enumerate(names):
        y = TOP + 10 + number * 20
        parts.append(f'<rect x="{x}" y="{y - 9}" width="12" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{escape(name)}</text>')
    return parts


def _svg(parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", ground, *parts, "</svg>"]) + "\n"
