"""The table of guarantees in tests/README.md names tests that exist, and every test that is long."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
TABLE = (TESTS / "README.md").read_text()


def named(table: str) -> set[Path]:
    return {(TESTS / path).resolve() for path in re.findall(r"`([\w./]+/test_\w+\.py)`", table)}


def marked_long(files: dict[Path, str]) -> Iterator[Path]:
    """Those that use the mark anywhere."""
    for path, text in files.items():
        if ".long" in text and any(
            isinstance(node, ast.Attribute) and node.attr == "long" for node in ast.walk(ast.parse(text))
        ):
            yield path


def all_tests() -> dict[Path, str]:
    folders = ("libs/*/tests/**", "services/*/tests/**", "tests/**", "bench/tests")
    return {path: path.read_text() for folder in folders for path in ROOT.glob(f"{folder}/test_*.py")}


def test_every_test_that_the_table_names_is_there():
    assert [path for path in named(TABLE) if not path.is_file()] == []
    assert len(named(TABLE)) > 30


def test_every_long_test_stands_in_the_table():
    long = set(marked_long(all_tests()))

    assert long - named(TABLE) == set() and len(long) > 5


def test_a_long_test_that_is_not_named_is_seen():
    there = {Path("a"): "import pytest\npytestmark = pytest.mark.long", Path("b"): "import pytest"}

    assert list(marked_long(there)) == [Path("a")]
    assert named("| x | `nowhere/test_it.py`: three |") == {TESTS / "nowhere/test_it.py"}
