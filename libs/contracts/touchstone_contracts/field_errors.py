"""Turns what marshmallow says about an input into the field errors that a caller gets, up to a limit all at once."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA

from touchstone_contracts.errors import FieldError

ERRORS_MAX = 1000
"""So many faults of one input are told of; of the others, how many there are."""
_KEY_LENGTH_MAX, _PATH_LENGTH_MAX = 64, 300

_CODES = [
    (re.compile(pattern), code)
    for pattern, code in (
        (r"Missing data for required field\.", "required"),
        (r"Unknown field\.", "unknown_field"),
        (r"Field may not be null\.", "null"),
        (r"Not a valid (string|utf-8 string|number|integer|boolean|list|tuple|mapping type)\.", "wrong_type"),
        (r"Invalid (input )?type\.", "wrong_type"),
        (r"Must be one of: ", "unknown_choice"),
        (r"One or more of the choices you made was ", "unknown_choice"),
        (r"Shorter than minimum length ", "too_short"),
        (r"Longer than maximum length ", "too_long"),
        (r"Length must be ", "wrong_length"),
        (r"Must be (greater|less) than ", "out_of_range"),
        (r"Number too large\.", "out_of_range"),
    )
]

Step = str | int


def fault(code: str, message: str) -> ValidationError:
    """A marshmallow error that carries a code of ours."""
    return ValidationError({"code": code, "message": message})


def field_errors(messages: Any) -> list[FieldError]:
    """The faults in marshmallow's message structure, ordered by path; the first ERRORS_MAX that are met.

    `messages` is what ValidationError.normalized_messages() gives: nested dicts by field name or list index, `_schema`
    for the whole of an object, and texts. The codes are required, unknown_field, null, wrong_type, unknown_choice,
    too_short, too_long, wrong_length, out_of_range and invalid; where they are too coarse, `{"code": ..., "message":
    ...}` may stand in place of a text. Paths look like `items[3].colour`; the path of the whole input is empty.
    """
    met = set(itertools.islice(_walk(messages, ()), ERRORS_MAX))
    found = sorted(met, key=lambda fault: (_order(fault[0]), fault[1:]))
    return [FieldError(path_of(steps), code, message) for steps, code, message in found]


def untold(messages: Any) -> int:
    """How many more faults there are than `field_errors` gives."""
    return sum(1 for _ in itertools.islice(_walk(messages, ()), ERRORS_MAX, None))


def counted(count: int, of: str) -> str:
    """A refusal's sentence on so many faults, of which ERRORS_MAX are told: `3 things are wrong with the report.`"""
    things = "One thing is" if count == 1 else f"{count} things are"
    return f"{things} wrong with {of}{f'; {ERRORS_MAX} of them are told' if count > ERRORS_MAX else ''}."


def _walk(messages: Any, steps: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], str, str]]:
    if isinstance(messages, str):
        yield steps, _code(messages), messages
    elif isinstance(messages, (list, tuple)):
        for message in messages:
            yield from _walk(message, steps)
    elif _is_coded(messages):
        yield steps, messages["code"], messages["message"]
    elif isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _walk(inner, steps if key == SCHEMA else (*steps, key if isinstance(key, int) else str(key)))
    else:
        yield steps, "invalid", "Invalid value."


def _is_coded(messages: Any) -> bool:
    """A text of our own with its code; in a structure of fields the values would be lists or dicts."""
    return isinstance(messages, dict) and all(isinstance(messages.get(key), str) for key in ("code", "message"))


def _code(message: str) -> str:
    return next((code for pattern, code in _CODES if pattern.match(message)), "invalid")


def path_of(steps: tuple[Step, ...]) -> str:
    """A caller chooses the names of unknown fields: cut what no schema of ours would name."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:_KEY_LENGTH_MAX]}" for step in steps)
    return path.removeprefix(".")[:_PATH_LENGTH_MAX]


def _order(steps: tuple[Step, ...]) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (-1, step) for step in steps]
