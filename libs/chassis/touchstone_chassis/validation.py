"""Loads a request by its schema, and refuses what no schema asks about and no database can hold."""

import math
from typing import Any

import orjson
from marshmallow import Schema, ValidationError
from marshmallow.exceptions import SCHEMA

from touchstone_contracts.codec import loading
from touchstone_contracts.errors import InvalidRequest
from touchstone_contracts.field_errors import counted, field_errors, untold
from touchstone_contracts.plain import is_plain

DEPTH_MAX = 32

_Step = str | int


def load(schema: Schema, data: Any) -> dict[str, Any]:
    """`data` as `schema` loads it. Raises InvalidRequest with everything that is wrong, up to ERRORS_MAX faults.

    Refuses as well what no schema asks about and no database can hold: lone surrogates, numbers that are not finite or
    need more than 64 bits, and nesting deeper than DEPTH_MAX.
    """
    messages = {} if _is_storable(data) else _unstorable(data)
    if not messages:
        try:
            loaded: dict[str, Any] = loading.load(schema, data)
            return loaded
        except ValidationError as error:
            messages = error.normalized_messages()
    errors = field_errors(messages)
    raise InvalidRequest(counted(len(errors) + untold(messages), "the request"), errors)


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
