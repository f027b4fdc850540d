"""The names of the services stand in one place; whatever else must know of each says so here when one is missing."""

import ast
import re
from collections.abc import Collection, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from touchstone_contracts.services import SERVICES, WITH_CASES

ROOT = Path(__file__).parents[2]
LIST = "libs/contracts/touchstone_contracts/services.py"
CODE = sorted(
    path
    for pattern in ("libs/**/*.py", "services/**/*.py", "tests/**/*.py")
    for path in ROOT.glob(pattern)
    if path != ROOT / LIST
)
FLOWS = {
    "libs/contracts/touchstone_contracts/events/differences.py",  # those that had types that are retired
}
SHELL = ("Makefile", "pyproject.toml", "deploy/Dockerfile", "deploy/install", "tests/compose/run", ".ci/run")


def lists_in(source: str, names: Collection[str]) -> Iterator[int]:
    """Lines of literals in Python that hold four of those names. Something of each by its name is no list."""
    if sum(name in source for name in names) < 4:
        return
    for node in ast.walk(ast.parse(source)):
        parts = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else []
        if len(set(names) & {part.value for part in parts if isinstance(part, ast.Constant)}) >= 4:
            yield node.lineno


def lines_with_four(text: str, names: Collection[str]) -> list[str]:
    return [line for line in text.splitlines() if len(set(names) & set(re.findall(r"[a-z]+", line))) >= 4]


def test_every_folder_of_a_service_is_in_the_list_and_bears_its_name() -> None:
    folders = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}

    assert folders == set(SERVICES) == set(entry_points(group="touchstone.services").names)


def test_the_services_with_cases_are_those_that_list_unfinished_ones() -> None:
    offered = {name: entry_points(group="touchstone.services")[name].load() for name in SERVICES}

    assert tuple(name for name in SERVICES if hasattr(offered[name], "list_unfinished")) == WITH_CASES


def test_no_other_module_lists_the_services() -> None:
    found = {str(path.relative_to(ROOT)): list(lists_in(path.read_text(), SERVICES)) for path in CODE}

    assert {name for name, lines in found.items() if lines} <= FLOWS


@pytest.mark.parametrize("name", SHELL)
def test_no_script_lists_the_services(name: str) -> None:
    assert lines_with_four((ROOT / name).read_text(), SERVICES) == []


@pytest.mark.parametrize(
    "line", ['X = ("a", "b", "c", "d")', 'f(x=["b", 1, "c", "a", "e"])', 'X = {"b", "a", "c", "d"}']
)
def test_a_second_list_is_seen(line: str) -> None:
    assert list(lists_in(f"import os\n{line}\n", "abcde")) == [2]
    assert list(lists_in('X = ("a", "b", "c")', "abcde")) == []


def test_a_list_in_a_script_is_seen() -> None:
    assert lines_with_four("SERVICES := a b c d\nfor x in a; do\n", "abcde") == ["SERVICES := a b c d"]
