"""Draws the map of the rooms, `docs/rooms.svg`, from `.importlinter`, docstrings of packages and the list of services.

python tests/contract/drawing/rooms.py
"""

import ast
import configparser
import re
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from touchstone_contracts.services import SERVICES

ROOT = Path(__file__).parents[3]
PICTURE = ROOT / "docs" / "rooms.svg"
CHASSIS, CLIENT = ROOT / "libs/chassis/touchstone_chassis", ROOT / "libs/client/touchstone"
CONTRACTS, DEVKIT = ROOT / "libs/contracts/touchstone_contracts", ROOT / "libs/devkit/touchstone_devkit"
LEFT, MIDDLE, RIGHT, GAP, LINE, LETTER = 420, 540, 300, 8, 14, 5.7
HEAD, FOOT = 30, 10
COLOURS = {"service": "#e8f1fa", "chassis": "#eaf5ea", "client": "#fbf0e2", "contracts": "#f3ebf7", "devkit": "#f0f0f0"}
STYLE = (
    "text{font:11px sans-serif;fill:#333}.name{font-weight:bold;font-size:12px}.title{font-weight:bold;font-size:14px}"
    "rect{rx:4;stroke:#999}.panel{fill:none;stroke:#bbb}"
)
Row = Sequence["Room"]


class Room(NamedTuple):
    """A package or module, and what it is for."""

    name: str
    words: str


class Panel(NamedTuple):
    title: str
    colour: str
    rows: Sequence[Row]


def layers(contract: str) -> list[list[str]]:
    """The names in each layer of a contract of .importlinter, the highest first."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    lines = config[f"importlinter:contract:{contract}"]["layers"].split("\n")
    return [re.findall(r"\w+", line) for line in lines if line.strip()]


def words_of(folder: Path, name: str) -> str:
    """The first sentence of a package's or module's docstring; empty where there is none."""
    file = folder / name / "__init__.py" if (folder / name).is_dir() else folder / f"{name}.py"
    text = (ast.get_docstring(ast.parse(file.read_text())) or "") if file.exists() else ""
    return re.split(r"(?<=[.:])\s*\n|\.(?:\s|$)", text)[0].rstrip(".:").replace("\n", " ").replace("`", "")


def rooms_in(folder: Path) -> list[Room]:
    names = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    return [Room(name, words_of(folder, name)) for name in names]


def panels() -> list[list[Panel]]:
    """Columns from left to right; the last one is the ground that all stand on."""
    homes = {name: ROOT / "services" / name / name for name in SERVICES}
    services = [Room(name, ", ".join(aggregates(home)) or words_of(home, "domain")) for name, home in homes.items()]
    inside = [[Room(name, in_any(homes, name)) for name in layer] for layer in layers("layers")]
    chassis = [
        [Room(name, words_of(CHASSIS, name)) for name in layer] for layer in [["api"], *layers("chassis-layers")]
    ]
    return [
        [
            Panel("services, and what each keeps in its domain", "service", in_rows(services, 2)),
            Panel("inside every service", "service", inside),
        ],
        [Panel("chassis: services see its api alone, other processes its http", "chassis", chassis)],
        [
            Panel("client and command line", "client", in_rows(rooms_in(CLIENT), 2)),
            Panel("devkit: no product code sees it", "devkit", in_rows(rooms_in(DEVKIT), 2)),
        ],
        [Panel("contracts, the published language: all see it, it sees nobody", "contracts", [published()])],
    ]


def published() -> Row:
    names = ("events", "registry", "versions", "envelope", "errors", "roles", "topology", "codec")
    return [Room(name, words_of(CONTRACTS, name)) for name in names]


def aggregates(home: Path) -> list[str]:
    """What a service's domain is divided into."""
    paths = [
        path for path in (home / "domain").glob("[a-z]*") if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    return sorted(path.stem.replace("_", " ") for path in paths)


def in_any(homes: dict[str, Path], name: str) -> str:
    """What a room is for in whichever service has it, in short; and who has it, where not all do."""
    told = {service: words for service, home in homes.items() if (words := words_of(home, name))}
    first = next(iter(told.values()), "")
    said = re.split(
        "[:;]", re.sub(rf"\b(the )?({'|'.join(homes)})( service)?\b", "the service", first, flags=re.IGNORECASE)
    )[0]
    return said[:1].upper() + said[1:] + (f" ({', '.join(told)})" if len(told) < len(homes) else "")


def in_rows(rooms: Sequence[Room], in_a_row: int) -> list[Row]:
    return [rooms[start : start + in_a_row] for start in range(0, len(rooms), in_a_row)]


def drawn(columns: Sequence[Sequence[Panel]] | None = None) -> str:
    """The picture, an SVG: in a panel of layers each stands on those below it."""
    *upright, ground = columns or panels()
    parts, x, bottom = [], GAP, 0.0
    for column, width in zip(upright, (LEFT, MIDDLE, RIGHT), strict=True):
        y = float(GAP)
        for panel in column:
            parts += list(_panel(panel, x, y, width))
            y += _height(panel, width) + GAP
        x, bottom = x + width + GAP, max(bottom, y)
    for panel in ground:
        parts += list(_panel(panel, GAP, bottom, x - 2 * GAP))
        bottom += _height(panel, x - 2 * GAP) + GAP
    size = f'width="{x}" height="{bottom:g}" viewBox="0 0 {x} {bottom:g}"'
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}</style>"]
    return "\n".join([*head, '<rect width="100%" height="100%" style="fill:white;stroke:none"/>', *parts, "</svg>", ""])


def _height(panel: Panel, width: float) -> float:
    return HEAD + sum(_row_height(row, width) + GAP for row in panel.rows) + FOOT - GAP


def _row_height(row: Row, width: float) -> float:
    return LINE * (1.6 + max(len(_wrapped(room, row, width)) for room in row))


def _wrapped(room: Room, row: Row, width: float) -> list[str]:
    return textwrap.wrap(room.words, int((_room_width(row, width) - 12) / LETTER))


def _room_width(row: Row, width: float) -> float:
    return (width - GAP * (len(row) + 1)) / len(row)


def _panel(panel: Panel, x: float, y: float, width: float) -> Iterator[str]:
    yield f'<rect class="panel" x="{x}" y="{y:g}" width="{width}" height="{_height(panel, width):g}"/>'
    yield f'<text class="title" x="{x + GAP}" y="{y + 20:g}">{escape(panel.title)}</text>'
    y += HEAD
    for row in panel.rows:
        height, room_width = _row_height(row, width), _room_width(row, width)
        for number, room in enumerate(row):
            left = x + GAP + number * (room_width + GAP)
            box = f'x="{left:g}" y="{y:g}" width="{room_width:g}" height="{height:g}"'
            yield f'<rect {box} fill="{COLOURS[panel.colour]}"/>'
            yield f'<text class="name" x="{left + 6:g}" y="{y + 15:g}">{escape(room.name)}</text>'
            for line, words in enumerate(_wrapped(room, row, width), 2):
                yield f'<text x="{left + 6:g}" y="{y + LINE * line:g}">{escape(words)}</text>'
        y += height + GAP


if __name__ == "__main__":
    PICTURE.write_text(drawn())
