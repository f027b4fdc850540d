"""Turns what marshmallow says about an input into the field errors that a caller gets, everything at once."""

import math
import re
from collections.abc import Iterator
from typing import Any

import orjson
from marshmallow import Schema, ValidationError
from marshmallow.exceptions import SCHEMA

from touchstone_contracts.codec import loading
from touchstone_contracts.errors import FieldError, InvalidRequest
from touchstone_contracts.plain import is_plain

ERRORS_MAX = 500
DEPTH_MAX = 32
_KEY_LENGTH_MAX = 64

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

_Step = str | int


def field_errors(messages: Any) -> list[FieldError]:
    """The faults in marshmallow's message structure, ordered by path.

    `messages` is what ValidationError.normalized_messages() gives: nested dicts by field name or list index, `_schema`
    for the whole of an object, and texts. The codes are required, unknown_field, null, wrong_type, unknown_choice,
    too_short, too_long, wrong_length, out_of_range and invalid; where they are too coarse, `{"code": ..., "message":
    ...}` may stand in place of a text. Paths look like `items[3].colour`; the path of the whole input is empty.
    """
    found = sorted(set(_walk(messages, ())), key=lambda fault: (_order(fault[0]), fault[1:]))
    return [FieldError(_path(steps), code, message) for steps, code, message in found]


def load(schema: Schema, data: Any) -> dict[str, Any]:
    """`data` as `schema` loads it. Raises InvalidRequest with everything that is wrong, at most ERRORS_MAX faults.

    Refuses as well what no schema asks about and no database can hold: lone surrogates, numbers that are not finite or
    need more than 64 bits, and nesting deeper than DEPTH_MAX.
    """
    errors = [] if _is_storable(data) else field_errors(_unstorable(data))
    if not errors:
        try:
            loaded: dict[str, Any] = loading.load(schema, data)
            return loaded
        except ValidationError as error:
            errors = field_errors(error.normalized_messages())
    count = "One thing is" if len(errors) == 1 else f"{len(errors)} things are"
    raise InvalidRequest(f"{count} wrong with the request.", errors[:ERRORS_MAX])


def _walk(messages: Any, steps: tuple[_Step, ...]) -> Iterator[tuple[tuple[_Step, ...], str, str]]:
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


def _path(steps: tuple[_Step, ...]) -> str:
    """A caller chooses the names of unknown fields: cut what no schema of ours would name."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step[:_KEY_LENGTH_MAX]}" for step in steps)
    return path.removeprefix(".")


def _order(steps: tuple[_Step, ...]) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (-1, step) for step in steps]


def _is_storable(data: Any) -> bool:
    """Whether nothing is wrong with the data, as most often. False is no fault yet: _unstorable looks closer."""
    if not is_plain(data, depth_max=DEPTH_MAX):
        return False
    try:
        orjson.dumps(data)  # refuses half a character, in a key, too, sooner than all could be looked at here
    except TypeError:
        return False
    return True


def _unstorable(data: Any) -> dict[str, Any]:
    """Messages about values that could not be written to the database, in marshmallow's structure."""
    messages: dict[str, Any] = {}
    waiting: list[tuple[Any, tuple[_Step, ...]]] = [(data, ())]
    while waiting:
        value, steps = waiting.pop()
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        if fault := _fault(value, len(steps)):
            _put(messages, steps, fault)
            continue
        waiting += [(child, (*steps, key)) for key, child in children]
    return messages


def _fault(value: Any, depth: int) -> dict[str, str] | None:
    if isinstance(value, (dict, list)) and depth >= DEPTH_MAX:
        return {"code": "too_deep", "message": f"Nested more than {DEPTH_MAX} levels deep."}
    if isinstance(value, dict) and not all(_is_text(key) for key in value):
        return {"code": "invalid", "message": "A key holds characters that are no valid Unicode."}
    if isinstance(value, str) and not _is_text(value):
        return {"code": "invalid", "message": "Holds characters that are no valid Unicode."}
    if isinstance(value, float) and not math.isfinite(value):
        return {"code": "invalid", "message": "Must be a finite number."}
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return {"code": "out_of_range", "message": "Needs more than 64 bits."}
    return None


def _is_text(value: Any) -> bool:
    """Whether it is a text that UTF-8 can hold: JSON's escapes can spell half a character."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _put(messages: dict[str, Any], steps: tuple[_Step, ...], fault: dict[str, str]) -> None:
    place: dict[Any, Any] = messages
    for step in steps[:-1]:
        place = place.setdefault(step, {})
    place[steps[-1] if steps else SCHEMA] = [fault]
