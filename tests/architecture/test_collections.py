"""Every collection that a service touches is declared: its database user has rights for those alone."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

import touchstone_chassis
from touchstone.provisioning.provision import installed_topologies
from touchstone_contracts import bookkeeping
from touchstone_contracts.publications import Publications

OF_A_UNIT = {"save", "upsert_read_model", "delete", "find", "find_one"}
"""What takes a collection's name first, of a unit of work."""
KEPT_BY_EVERY_SERVICE = {*bookkeeping.WRITTEN, *bookkeeping.APPENDED, *bookkeeping.READ}
OF_THE_CHASSIS = KEPT_BY_EVERY_SERVICE | {bookkeeping.CLOCK}
UNKNOWN = "?"


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def collections_in(source: str, names: dict[str, object]) -> set[str]:
    """The collections that a module reads and writes; UNKNOWN for one that is neither text nor a constant of it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in OF_A_UNIT:
            if _last_name(node.func.value).strip("_") == "unit" and node.args:
                found.add(_text(node.args[0], names))
        elif isinstance(node, ast.Subscript) and "database" in _last_name(node.value):
            found.add(_text(node.slice, names))
    return found | {of.collection for of in map(names.get, names) if _keeps_publications(of)}


def _keeps_publications(of: object) -> bool:
    return isinstance(of, type) and issubclass(of, Publications) and of is not Publications


def _last_name(node: ast.expr) -> str:
    called = node.func if isinstance(node, ast.Call) else node
    return called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")


def _text(node: ast.expr, names: dict[str, object]) -> str:
    value = getattr(node, "value", None) if isinstance(node, ast.Constant) else names.get(getattr(node, "id", ""))
    return value if isinstance(value, str) else UNKNOWN


def touched_by(package: ModuleType) -> set[str]:
    return set().union(*(collections_in(inspect.getsource(module), vars(module)) for module in modules_of(package)))


@pytest.mark.parametrize("topology", installed_topologies(), ids=lambda topology: topology.service)
def test_every_collection_that_a_service_touches_is_declared(topology) -> None:
    touched = touched_by(importlib.import_module(topology.service))

    assert touched - KEPT_BY_EVERY_SERVICE == set(topology.own_collections)


def test_every_collection_that_the_chassis_touches_is_one_that_every_service_keeps() -> None:
    touched = touched_by(touchstone_chassis)

    assert touched - {UNKNOWN} <= OF_THE_CHASSIS
    assert {"inbox", "outbox", "sequences", "readiness", "restores"} <= touched


def test_no_service_has_a_collection_that_every_service_keeps() -> None:
    own = {name for topology in installed_topologies() for name in topology.own_collections}

    assert own & (OF_THE_CHASSIS | {bookkeeping.MIGRATIONS}) == set()


def test_a_collection_that_is_not_declared_and_one_that_cannot_be_told_are_seen() -> None:
    source = (
        "def f(self, unit, which):\n"
        "    self._unit.save('toys', {})\n    unit.find(BOXES, {})\n    unit.delete(which, 'x')\n"
        "    self.boxes.save(which)\n    self._database[LIDS].find_one({})\n    self.mongo.database['nails'].find()\n"
    )

    assert collections_in(source, {"BOXES": "boxes", "LIDS": "lids"}) == {"toys", "boxes", "lids", "nails", UNKNOWN}
