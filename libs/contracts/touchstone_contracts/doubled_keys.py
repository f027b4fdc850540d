"""Finds keys that stand twice in one object of a JSON text: parsers differ in which of the two they believe."""

import json
from collections.abc import Sequence
from typing import Any

from touchstone_contracts.errors import FieldError
from touchstone_contracts.field_errors import ERRORS_MAX, Step, path_of


class _Members(list[tuple[str, Any]]):
    """An object as it is written: all that stands in it, in its order."""


def doubled_keys(text: str | bytes) -> list[FieldError]:
    """A fault for each key that its object has already, by its path, at most ERRORS_MAX.

    Also within a value that another replaces. Keys are the same if their characters are, however these are escaped;
    what only looks the same is not. Raises ValueError and RecursionError as json.loads does.
    """
    faults: list[FieldError] = []
    waiting: list[tuple[tuple[Step, ...], Any]] = [((), json.loads(text, object_pairs_hook=_Members))]
    while waiting and len(faults) < ERRORS_MAX:
        steps, value = waiting.pop()
        if not isinstance(value, list):
            continue
        members = value if isinstance(value, _Members) else list(enumerate(value))
        inside = [((*steps, name), inner) for name, inner in members]
        waiting += reversed(inside)
        if len(dict(members)) < len(members):
            faults += _repeated([where for where, _ in inside])
    return faults[:ERRORS_MAX]


def _repeated(places: list[tuple[Step, ...]]) -> list[FieldError]:
    seen: set[tuple[Step, ...]] = set()
    faults: dict[tuple[Step, ...], FieldError] = {}
    for place in places:
        if place in seen:
            faults[place] = FieldError(path_of(place), "doubled_key", "Stands more than once in its object.")
        seen.add(place)
    return list(faults.values())


def sentence(faults: Sequence[FieldError]) -> str:
    """What to say of them in one line."""
    return f"keys stand more than once in one object: {', '.join(fault.path for fault in faults[:10])}"
