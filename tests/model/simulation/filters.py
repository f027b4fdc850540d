"""Which documents a MongoDB filter picks: the operators that the stores and the chassis use, and no others."""

from collections.abc import Callable, Mapping
from typing import Any

_MISSING = object()


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, None where there is nothing."""
    found = _at(document, path)
    return None if found is _MISSING else found


def matches(document: Mapping[str, Any], filter: Mapping[str, Any]) -> bool:
    return all(_holds(document, name, wanted) for name, wanted in filter.items())


def plain_parts(filter: Mapping[str, Any]) -> dict[str, Any]:
    """What an upsert takes over from its filter into the new document."""
    return {name: value for name, value in filter.items() if not name.startswith("$") and not _is_tests(value)}


def _holds(document: Mapping[str, Any], name: str, wanted: Any) -> bool:
    if name == "$or":
        return any(matches(document, one) for one in wanted)
    if name == "$and":
        return all(matches(document, one) for one in wanted)
    if name.startswith("$"):
        raise NotImplementedError(f"the database in memory knows no {name}")
    values = _values(document, name)
    if not _is_tests(wanted):
        return any(_equal(value, wanted) for value in values)
    return all(_passes(values, test, limit) for test, limit in wanted.items())


def _passes(values: list[Any], test: str, limit: Any) -> bool:
    if test == "$exists":
        return any(value is not _MISSING for value in values) is bool(limit)
    if test == "$ne":
        return not any(_equal(value, limit) for value in values)
    if test == "$nin":
        return not any(_equal(value, choice) for value in values for choice in limit)
    if test == "$in":
        return any(_equal(value, choice) for value in values for choice in limit)
    if test == "$elemMatch":
        return any(matches(part, limit) for value in values if isinstance(value, list) for part in value)
    if test not in _COMPARISONS:
        raise NotImplementedError(f"the database in memory knows no {test}")
    return any(_comparable(value, limit) and _COMPARISONS[test](value, limit) for value in values)


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}


def _values(document: Mapping[str, Any], path: str) -> list[Any]:
    """What a test may be met by: the value itself and, of a list, each of its elements."""
    head, _, rest = path.partition(".")
    value = document.get(head, _MISSING)
    if not rest:
        return [value, *value] if isinstance(value, list) else [value]
    if isinstance(value, list):
        return [found for part in value if isinstance(part, Mapping) for found in _values(part, rest)] or [_MISSING]
    return _values(value, rest) if isinstance(value, Mapping) else [_MISSING]


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name, _MISSING) if isinstance(document, Mapping) else _MISSING
    return document


def _is_tests(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and any(name.startswith("$") for name in wanted)


def _equal(value: Any, wanted: Any) -> bool:
    """Null stands for what is not there, too; true is no 1."""
    if wanted is None:
        return value is None or value is _MISSING
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _comparable(value: Any, limit: Any) -> bool:
    """Only values of one kind are ever compared; a bool is no number."""
    if isinstance(value, bool) or isinstance(limit, bool):
        return isinstance(value, bool) and isinstance(limit, bool)
    if isinstance(value, (int, float)):
        return isinstance(limit, (int, float))
    return type(value) is type(limit)
