"""Every service has one shape: `service.py` composes, entrypoints by aggregate, indexes with their storage."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from touchstone_contracts.services import SERVICES

ROOT = Path(__file__).parents[2]
ROOMS = {"domain", "entrypoints", "schemas", "storage"}
"""What every service has. `application`, `presenters`, `data` and others are there where they are needed."""
INWARD = {"command", "query", "on_event", "on_message", "on_job"}
BY_MESSAGE = {"on_event", "on_message"}


def calls(source: str, names: set[str]) -> Iterator[ast.Call]:
    """Calls of these functions or classes, wherever they come from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in names:
            yield node


def problems(package: Path) -> list[str]:
    """Where a service's package is not of the one shape."""
    found = [f"there is no {room}" for room in sorted(ROOMS) if not list(package.glob(f"{room}*"))]
    for path in sorted(package.rglob("*.py")):
        source, place = path.read_text(), path.relative_to(package)
        if place.name == "service.py" and any(isinstance(n, ast.FunctionDef) for n in ast.walk(ast.parse(source))):
            found.append(f"{place} does more than compose")
        if place.parts[0] != "entrypoints" and any(calls(source, INWARD)):
            found.append(f"{place} has an entrypoint")
        if place.parts[0] != "storage" and any(calls(source, {"Index"})):
            found.append(f"{place} has an index")
        for call in calls(source, BY_MESSAGE):
            if "handler" not in {keyword.arg for keyword in call.keywords}:
                found.append(f"{place} has a handler without a durable name")
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_one_shape(name: str) -> None:
    assert problems(ROOT / "services" / name / name) == []


def test_a_service_of_another_shape_is_seen(tmp_path: Path) -> None:
    (tmp_path / "domain.py").write_text("INDEXES = (Index(collection='toys', keys=[]),)\n")
    (tmp_path / "service.py").write_text("class Toys:\n    @on_event(BoxOpened)\n    def note_box(self): ...\n")

    assert problems(tmp_path) == [
        "there is no entrypoints",
        "there is no schemas",
        "there is no storage",
        "domain.py has an index",
        "service.py does more than compose",
        "service.py has an entrypoint",
        "service.py has a handler without a durable name",
    ]
