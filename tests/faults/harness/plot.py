"""Draws the recovery after each infrastructure fault as an SVG: one bar for each, one dot for each moment."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape

from harness import targets
from harness.infrastructure import DEPLOY
from harness.results import Result

ROW, LEFT, WIDTH, RIGHT = 22, 230, 520, 70
COLOURS = {"rest": "#4c78a8", "load": "#f58518", "backlog": "#54a24b", "deploy": "#b279a2"}
STYLE = "text{font:12px sans-serif;fill:#333}.slow{fill:#c00}"


def drawn(results: Sequence[Result]) -> str:
    """An SVG, or nothing where no recovery was measured."""
    measured: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for result in results:
        if result.kind == "infrastructure" and result.recovery_s is not None and not result.unmeasured:
            fault, _, moment = result.case.rpartition("/")
            measured[fault].append((moment, result.recovery_s))
    if not measured:
        return ""
    longest = max(seconds for recoveries in measured.values() for _, seconds in recoveries)
    scale = WIDTH / max(longest, 1.0)
    rows = [
        _row(number, fault, recoveries, targets.recovery_s_max(fault), scale)
        for number, (fault, recoveries) in enumerate(sorted(measured.items()), 2)
    ]
    height, width = ROW * (len(rows) + 3), LEFT + WIDTH + RIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return "\n".join([head, f"<style>{STYLE}</style>", _legend(), *rows, "</svg>"]) + "\n"


def _row(number: int, fault: str, recoveries: list[tuple[str, float]], limit: float | None, scale: float) -> str:
    middle, longest = number * ROW, max(seconds for _, seconds in recoveries)
    parts = [
        f'<text x="{LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(fault)}</text>',
        f'<line x1="{LEFT}" y1="{middle}" x2="{LEFT + longest * scale:.1f}" y2="{middle}" stroke="#bbb"/>',
    ]
    if limit is not None and limit * scale <= WIDTH:
        x = LEFT + limit * scale
        parts.append(f'<line x1="{x:.1f}" y1="{middle - 8}" x2="{x:.1f}" y2="{middle + 8}" stroke="#c00"/>')
    for moment, seconds in recoveries:
        dot = f'<circle cx="{LEFT + seconds * scale:.1f}" cy="{middle}" r="4" fill="{COLOURS.get(moment, "#888")}">'
        parts.append(f"{dot}<title>{escape(moment)}: {seconds:.1f} s</title></circle>")
    judged = [seconds for moment, seconds in recoveries if moment != DEPLOY]
    slow = ' class="slow"' if limit is not None and max(judged, default=0.0) > limit else ""
    parts.append(f'<text x="{LEFT + longest * scale + 8:.1f}" y="{middle + 4}"{slow}>{longest:.1f} s</text>')
    return "".join(parts)


def _legend() -> str:
    parts = [
        f'<circle cx="{LEFT + index * 90}" cy="{ROW - 6}" r="4" fill="{colour}"/>'
        f'<text x="{LEFT + index * 90 + 8}" y="{ROW - 2}">{moment}</text>'
        for index, (moment, colour) in enumerate(COLOURS.items())
    ]
    limit = LEFT + len(COLOURS) * 90
    parts.append(f'<line x1="{limit}" y1="{ROW - 14}" x2="{limit}" y2="{ROW + 2}" stroke="#c00"/>')
    return "".join([*parts, f'<text x="{limit + 8}" y="{ROW - 2}">at most (where there is a target)</text>'])
