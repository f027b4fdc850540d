"""The shape of the code: short functions and modules, telling names, a sentence at the top; each with its violation."""

import ast
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION_LINES_MAX = 60
FUNCTION_LINES_MOST = 40
SHARE_OF_MOST = 0.9
MODULE_LINES_MAX = 400
TEST_MODULE_LINES_MAX = 600
"""A test module is a list, and is read in parts."""
EMPTY_WORDS = {"Manager", "Helper", "Helpers", "Util", "Utils", "Base", "Impl"}

PRODUCT = sorted(
    p
    for pattern in ("libs/*/t*/**/*.py", "services/*/*/**/*.py", "bench/**/*.py")
    for p in ROOT.glob(pattern)
    if "tests" not in p.parts and "__pycache__" not in p.parts
)
CALLED = [p for p in PRODUCT if p.name == "service.py" or p.parent.name == "entrypoints"]
TESTS = sorted(
    p
    for pattern in ("libs/*/tests/**/*.py", "services/*/tests/**/*.py", "tests/**/*.py", "bench/tests/**/*.py")
    for p in ROOT.glob(pattern)
)


_parsed = functools.cache(ast.parse)


def function_lengths(source: str) -> dict[str, int]:
    """Lines of each function, from `def` to its last line, docstring and all."""
    functions = [n for n in statements(_parsed(source)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {f"{f.name}:{f.lineno}": (f.end_lineno or 0) - f.lineno + 1 for f in functions}


def statements(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements below, without looking into expressions, where none is."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        below = getattr(node, name, ())
        for inner in below if isinstance(below, list) else ():
            if isinstance(inner, ast.stmt):
                yield inner
            yield from statements(inner)


def too_long(source: str, lines_max: int) -> bool:
    return len(source.splitlines()) >= lines_max


def words_of(name: str) -> set[str]:
    """The words in a name, each with a capital: `case_base` and `CaseBase` both hold `Base`."""
    return {w.capitalize() for part in name.split("_") for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", part)}


def empty_names(source: str, module: str) -> list[str]:
    """Names of modules, classes and functions that say how a thing is made and not what it is."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    names = [module, *(n.name for n in statements(_parsed(source)) if isinstance(n, kinds))]
    return [name for name in names if words_of(name) & EMPTY_WORDS]


def opening_problem(source: str) -> str | None:
    """What is wrong with how a module opens: its first line is one whole sentence that says what the module is for."""
    docstring = ast.get_docstring(_parsed(source))
    if not docstring:
        return "no docstring" if source.strip() else None
    first = docstring.split("\n\n")[0].replace("\n", " ")
    if not first[0].isupper() and first[0] not in "`":
        return "does not begin like a sentence"
    return None if re.search(r"[.:]`?$", first) else "does not end like a sentence"


def undocumented_entrypoints(source: str) -> list[str]:
    """Commands and queries without a docstring: they are what outsiders call."""
    return [
        f.name
        for f in _functions(source)
        if not ast.get_docstring(f) and {_decorator(d) for d in f.decorator_list} & {"command", "query"}
    ]


def _functions(source: str) -> Iterator[ast.FunctionDef]:
    return (n for n in statements(_parsed(source)) if isinstance(n, ast.FunctionDef))


def _decorator(node: ast.expr) -> str:
    called = node.func if isinstance(node, ast.Call) else node
    return called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")


def found_in(paths: Sequence[Path], problem: Callable[[Path], Any]) -> dict[str, Any]:
    """By file, what is wrong with it, where something is."""
    return {str(path.relative_to(ROOT)): found for path in paths if (found := problem(path))}


def test_there_is_code_to_look_at() -> None:
    assert len(PRODUCT) > 40 and len(TESTS) > 20 and len(CALLED) > 15


def test_no_function_is_longer_than_a_screen() -> None:
    def long(path: Path) -> dict[str, int]:
        return {f: n for f, n in function_lengths(path.read_text()).items() if n >= FUNCTION_LINES_MAX}

    assert found_in(PRODUCT + TESTS, long) == {}


def test_nine_functions_in_ten_are_short() -> None:
    lengths = [n for path in PRODUCT for n in function_lengths(path.read_text()).values()]
    share = sum(n < FUNCTION_LINES_MOST for n in lengths) / len(lengths)

    median = sorted(lengths)[len(lengths) // 2]
    print(f"{len(lengths)} functions, median {median} lines, {share:.1%} under {FUNCTION_LINES_MOST}")
    assert share >= SHARE_OF_MOST


def test_no_module_is_too_long_to_know() -> None:
    assert found_in(PRODUCT, lambda path: too_long(path.read_text(), MODULE_LINES_MAX)) == {}
    assert found_in(TESTS, lambda path: too_long(path.read_text(), TEST_MODULE_LINES_MAX)) == {}


def test_names_say_what_a_thing_is() -> None:
    assert found_in(PRODUCT, lambda path: empty_names(path.read_text(), path.stem)) == {}


def test_a_module_opens_with_its_responsibility_in_one_sentence() -> None:
    assert found_in(PRODUCT, lambda path: opening_problem(path.read_text())) == {}


def test_what_outsiders_call_is_documented() -> None:
    assert found_in(CALLED, lambda path: undocumented_entrypoints(path.read_text())) == {}


def test_each_file_with_a_problem_is_named() -> None:
    first, second = PRODUCT[:2]

    assert found_in([first, second], lambda path: ["it"] * (path is second)) == {str(second.relative_to(ROOT)): ["it"]}


def test_the_length_of_a_function_is_counted_to_its_last_line() -> None:
    long = "def short():\n    return 1\n\nclass A:\n    async def long(self):\n" + "        x = 1\n" * 59

    assert function_lengths(long) == {"short:1": 2, "long:5": 60}


def test_a_module_that_is_too_long_is_seen() -> None:
    assert too_long("x = 1\n" * 400, MODULE_LINES_MAX)
    assert not too_long("x = 1\n" * 399, MODULE_LINES_MAX)


@pytest.mark.parametrize(
    ("source", "module", "found"),
    [
        ("class CaseManager: ...", "cases", ["CaseManager"]),
        ("class BaseStore: ...", "store", ["BaseStore"]),
        ("class DatabaseAway(Exception): ...", "errors", []),
        ("def load_impl(): ...", "loading", ["load_impl"]),
        ("", "string_utils", ["string_utils"]),
        ("", "database", []),
    ],
)
def test_an_empty_name_is_seen(source: str, module: str, found: list[str]) -> None:
    assert empty_names(source, module) == found


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('"""Reads the post."""', None),
        ('"""Reads the post.\n\nAnd more."""', None),
        ('"""`touchstone post`: reads\nthe post."""', None),
        ("", None),
        ("x = 1", "no docstring"),
        ('"""reads the post."""', "does not begin like a sentence"),
        ('"""Post"""', "does not end like a sentence"),
    ],
)
def test_an_opening_that_says_nothing_is_seen(source: str, problem: str | None) -> None:
    assert opening_problem(source) == problem


def test_an_undocumented_entrypoint_is_seen() -> None:
    source = (
        "class S:\n"
        "    @command(A(), roles=(X,))\n    def bare(self): ...\n"
        "    @entrypoints.query(A(), roles=(X,))\n    def bare_too(self): ...\n"
        "    @query(A(), roles=(X,))\n    def told(self):\n        '''Why.'''\n"
        "    @on_event(E)\n    def internal(self): ...\n"
    )

    assert undocumented_entrypoints(source) == ["bare", "bare_too"]
