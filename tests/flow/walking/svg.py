"""The few shapes that a picture is made of, as lines of SVG."""

from collections.abc import Iterable, Iterator, Sequence
from xml.sax.saxutils import escape

INK, GREY = "#1f2933", "#52606d"
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
Point = tuple[float, float]


def text(
    x: float, y: float, words: str, *, size: int = 12, bold: bool = False, middle: bool = False, fill: str = INK
) -> str:
    more = ' font-weight="bold"' * bold + ' text-anchor="middle"' * middle
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}"{more}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, fill: str, stroke: str, *, round: float = 4) -> str:
    shape = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round:g}"'
    return f'<rect {shape} fill="{fill}" stroke="{stroke}"/>'


def drum(x: float, y: float, width: float, height: float, fill: str, stroke: str) -> Iterator[str]:
    """What stands for a database."""
    side = f"M{x:g} {y + 7:g}V{y + height - 7:g}A{width / 2:g} 7 0 0 0 {x + width:g} {y + height - 7:g}V{y + 7:g}"
    yield f'<path d="{side}" fill="{fill}" stroke="{stroke}"/>'
    top = f'cx="{x + width / 2:g}" cy="{y + 7:g}" rx="{width / 2:g}" ry="7"'
    yield f'<ellipse {top} fill="{fill}" stroke="{stroke}"/>'


def arrow(points: Sequence[Point], *, both: bool = False, dashed: bool = False) -> str:
    """A line through the points, with a head at its end, or at both."""
    way = " ".join(f"{x:g},{y:g}" for x, y in points)
    more = ' marker-start="url(#head)"' * both + ' stroke-dasharray="5 3"' * dashed
    return f'<polyline points="{way}" fill="none" stroke="{INK}" stroke-width="1.4" marker-end="url(#head)"{more}/>'


def picture(width: float, height: float, title: str, shapes: Iterable[str]) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" role="img">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
            f' orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>',
            f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
            *shapes,
            "</svg>",
            "",
        ]
    )
