"""Turns the bytes of a message into a JSON object, or says what kind of nonsense it is."""

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

import orjson
from nameko import config

from touchstone_chassis.consuming.delivery import Delivery
from touchstone_contracts.doubled_keys import doubled_keys, sentence
from touchstone_contracts.errors import FieldError
from touchstone_contracts.plain import is_plain

DEPTH_MAX = 64
KEYS_MAX, VALUES_MAX = 200, 10_000
"""In one object, and in all objects and lists together: several times what the largest good message holds."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ESCAPED_COLON = re.compile(rb"\\u003[aA]")


class BadMessage(Exception):
    """The message cannot be understood, whoever tries. `reason` is a code; `faults` say where, if that can be said."""

    def __init__(self, reason: str, detail: str, faults: Sequence[FieldError] = ()):
        super().__init__(detail)
        self.reason, self.faults = reason, faults


def decode(delivery: Delivery, *content_types: str, bytes_max: int | None = None) -> dict[str, Any]:
    """The JSON object in the body, of at most `bytes_max` where that is less than for all messages.

    Raises BadMessage; never decompresses, never unpickles, never echoes the body.
    """
    _check_headers(delivery)
    content_type = delivery.attribute("content_type")
    if content_type not in content_types:
        raise BadMessage(
            "content_type", f"content type {str(content_type)[:80]!r}; expected {' or '.join(content_types)}"
        )
    encoding = delivery.attribute("content_encoding")
    if encoding not in (None, "", "utf-8", "UTF-8", "utf8"):
        raise BadMessage("content_encoding", f"content encoding {str(encoding)[:40]!r}; expected utf-8")
    bytes_max = min(config["message_bytes_max"], bytes_max or sys.maxsize)
    if delivery.size > bytes_max:
        raise BadMessage("too_large", f"{delivery.size} bytes; at most {bytes_max}")
    return json_object(delivery.body)


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, within our bounds and with no key twice. Raises BadMessage."""
    try:
        # orjson has a limit of depth of its own, refuses NaN and half characters, and never exhausts the stack.
        checked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "depth" in str(error):
            raise BadMessage("too_deep", "the body is nested too deeply") from None
        raise BadMessage("undecodable", "the body is not JSON in UTF-8, or holds half a character") from None
    if not isinstance(checked, dict):
        raise BadMessage("undecodable", "the body is not a JSON object")
    plain = is_plain(checked, depth_max=DEPTH_MAX, keys_max=KEYS_MAX, values_max=VALUES_MAX)
    if not plain:
        _check_bounds(checked)
    if _may_double_keys(body, checked):
        try:
            faults = doubled_keys(body)
        except RecursionError:  # within a value that another replaces
            raise BadMessage("too_deep", "the body is nested too deeply") from None
        if faults:
            raise BadMessage("doubled_key", sentence(faults), faults)
    # orjson would make a float of a number beyond 64 bits, and of what it leaves out nobody knows.
    return checked if plain else json.loads(body, parse_int=_storable)


def _may_double_keys(body: bytes, checked: dict[str, Any]) -> bool:
    """Whether keys may stand twice; False is sure.

    Outside of texts a colon follows each key. If the body has as many as what is left of it when it is written again,
    nothing was left out, since no text has more colons then than before: unless one was escaped.
    """
    written = orjson.dumps(checked)
    return written != body and (
        written.count(b":") != body.count(b":") or (b"\\" in body and _ESCAPED_COLON.search(body) is not None)
    )


def _storable(digits: str) -> int:
    """A whole number of at most 64 bits: no answer and no document could hold a larger one."""
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise BadMessage("undecodable", "a number has more than 64 bits")
    return number


def _check_headers(delivery: Delivery) -> None:
    headers = delivery.headers
    if headers.get("compression"):
        raise BadMessage("compressed", "compressed messages are not taken")
    stack = headers.get("nameko.call_id_stack", [])
    if not isinstance(stack, list) or not all(isinstance(call, str) for call in stack):
        raise BadMessage("headers", "nameko.call_id_stack is not a list of strings")


def _check_bounds(value: Any) -> None:
    level, count = [value], 0
    for _ in range(DEPTH_MAX):
        count += sum(map(len, level))
        if count > VALUES_MAX or any(isinstance(parent, dict) and len(parent) > KEYS_MAX for parent in level):
            raise BadMessage("too_many", f"at most {KEYS_MAX} keys in an object, and {VALUES_MAX} values in all")
        level = [v for parent in level for v in (parent.values() if isinstance(parent, dict) else parent)]
        level = [v for v in level if isinstance(v, (dict, list))]
        if not level:
            return
    raise BadMessage("too_deep", "the body is nested too deeply")


def text_header(delivery: Delivery, *names: str, length_max: int = 4096) -> str | None:
    """The first of the headers that is a string of reasonable length."""
    for name in names:
        value = delivery.headers.get(name)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str) and 0 < len(value) <= length_max:
            return value
    return None


def correlation_id(delivery: Delivery) -> str | None:
    """What the sender wants to find in logs and events: one visible line."""
    value = text_header(delivery, "nameko.correlation_id", length_max=100)
    return value if value and value.isprintable() else None


def traceparent(delivery: Delivery) -> str | None:
    value = text_header(delivery, "traceparent", "nameko.traceparent")
    return value if value and _TRACEPARENT.fullmatch(value) else None
