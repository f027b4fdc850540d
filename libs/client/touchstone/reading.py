"""Reads text and JSON that people hand over; of whatever is wrong with it says one line, and what to do."""

import json
import math
import pathlib
from typing import Any

from touchstone_contracts.doubled_keys import doubled_keys, sentence

DEPTH_MAX = 64
"""A service takes nothing that is nested deeper."""
_DIGITS_MAX = 300


class Unreadable(ValueError):
    """What was handed over cannot be read, or is no JSON."""


def read_text(path: pathlib.Path) -> str:
    """The text in a file. Raises Unreadable."""
    try:
        return text_of(path.read_bytes(), str(path))
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}.") from None


def text_of(content: bytes, named: str) -> str:
    """UTF-8 as text, without the mark that some editors put before it. Raises Unreadable."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{named} is not UTF-8: save it as UTF-8.") from None


def json_of(text: str, named: str) -> Any:
    """The value that `text` says in JSON. Raises Unreadable, also for what no service takes: NaN, endless nesting."""
    deep = f"{named} is nested too deeply: {DEPTH_MAX} levels are the most."
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except json.JSONDecodeError as error:
        why = error.msg[:1].lower() + error.msg[1:]
        raise Unreadable(f"{named} is no JSON: {why} in line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise Unreadable(deep) from None
    except ValueError as error:
        raise Unreadable(f"{named} is no JSON: {error}") from None
    if _is_deep(value):
        raise Unreadable(deep)
    if faults := doubled_keys(text):
        raise Unreadable(f"{named} can be read in two ways: {sentence(faults)}.")
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number there. Write null, or leave it out.")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number in it is too large.")
    return number


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        raise ValueError("a number in it is too large.")
    return int(digits)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
