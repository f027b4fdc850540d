"""Which documents a MongoDB filter picks: the operators that the stores and the chassis use, and no others."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

Test = Callable[[list[Any], Any], bool]

_MISSING = object()


def value_at(document: Any, path: str) -> Any:
    """The value at a dotted path, None where there is nothing."""
    for name in path.split("."):
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def matches(document: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    return all(_holds(document, name, wanted) for name, wanted in filter.items())


def plain_parts(filter: Mapping[str, Any]) -> dict[str, Any]:
    """What an upsert takes over from its filter into the new document."""
    return {name: value for name, value in filter.items() if not name.startswith("$") and not _is_tests(value)}


def _holds(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name in ("$or", "$and"):
        return (any if name == "$or" else all)(matches(document, one) for one in wanted)
    if name.startswith("$"):
        raise NotImplementedError(f"the database in memory knows no {name}")
    values = _values(document, name)
    return all(_test(name)(values, limit) for name, limit in (wanted if _is_tests(wanted) else {"$eq": wanted}).items())


def _test(name: str) -> Test:
    if name not in _TESTS:
        raise NotImplementedError(f"the database in memory knows no {name}")
    return _TESTS[name]


def _values(document: Mapping[str, Any], path: str) -> list[Any]:
    """What a test may be met by: the value itself and, of a list, each of its elements."""
    head, _, rest = path.partition(".")
    value = document.get(head, _MISSING)
    if not rest:
        return [value, *value] if isinstance(value, list) else [value]
    parts = [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, Mapping)]
    return [found for part in parts for found in _values(part, rest)] or [_MISSING]


def _is_tests(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and any(name.startswith("$") for name in wanted)


def _equal(value: Any, wanted: Any) -> bool:
    """Null stands for what is not there, too; true is no 1."""
    if wanted is None:
        return value is None or value is _MISSING
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _any(values: list[Any], wanted: Any) -> bool:
    return any(_equal(value, wanted) for value in values)


def _any_of(values: list[Any], choices: Any) -> bool:
    return any(_any(values, choice) for choice in choices)


def _compared(compare: Callable[[Any, Any], bool]) -> Test:
    """Only values of one kind are ever compared; a bool is no number."""
    return lambda values, limit: any(_kind(value) is _kind(limit) and compare(value, limit) for value in values)


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


_TESTS: dict[str, Test] = {
    "$eq": _any,
    "$ne": lambda values, wanted: not _any(values, wanted),
    "$in": _any_of,
    "$nin": lambda values, choices: not _any_of(values, choices),
    "$exists": lambda values, wanted: any(value is not _MISSING for value in values) is bool(wanted),
    "$elemMatch": lambda values, filter: any(
        matches(part, filter) for value in values if isinstance(value, list) for part in value
    ),
    "$gt": _compared(operator.gt),
    "$gte": _compared(operator.ge),
    "$lt": _compared(operator.lt),
    "$lte": _compared(operator.le),
}
