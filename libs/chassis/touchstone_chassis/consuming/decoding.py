"""Turns the bytes of a message into a JSON object, or says what kind of nonsense it is."""

import json
import re
from typing import Any

import orjson
from nameko import config

from touchstone_chassis.consuming.delivery import Delivery
from touchstone_contracts.plain import is_plain

DEPTH_MAX = 64
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_DIGITS_AS_ZEROS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))
_TOO_LONG = b"0" * 19
"""So many digits may be more than 64 bits; fewer are not."""


class BadMessage(Exception):
    """The message cannot be understood, whoever tries. `reason` is a code."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason


def decode(delivery: Delivery, *content_types: str) -> dict[str, Any]:
    """The JSON object in the body. Raises BadMessage; never decompresses, never unpickles, never echoes the body."""
    _check_headers(delivery)
    content_type = delivery.attribute("content_type")
    if content_type not in content_types:
        raise BadMessage(
            "content_type", f"content type {str(content_type)[:80]!r}; expected {' or '.join(content_types)}"
        )
    encoding = delivery.attribute("content_encoding")
    if encoding not in (None, "", "utf-8", "UTF-8", "utf8"):
        raise BadMessage("content_encoding", f"content encoding {str(encoding)[:40]!r}; expected utf-8")
    if delivery.size > config["message_bytes_max"]:
        raise BadMessage("too_large", f"{delivery.size} bytes; at most {config['message_bytes_max']}")
    body = delivery.body
    try:
        # orjson has a limit of depth of its own, refuses NaN and half characters, and never exhausts the stack.
        checked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "depth" in str(error):
            raise BadMessage("too_deep", "the body is nested too deeply") from None
        raise BadMessage("undecodable", "the body is not JSON in UTF-8, or holds half a character") from None
    if not isinstance(checked, dict):
        raise BadMessage("undecodable", "the body is not a JSON object")
    if not _may_hold_long_number(body) and is_plain(checked, depth_max=DEPTH_MAX):
        return checked
    if _depth_exceeds(checked, DEPTH_MAX):
        raise BadMessage("too_deep", "the body is nested too deeply")
    # orjson would make a float of a number beyond 64 bits.
    return json.loads(body, parse_int=_storable)


def _may_hold_long_number(body: Any) -> bool:
    """Whether digits stand in a row that may be too many, if only in a text, or under a key that comes again."""
    return not isinstance(body, bytes) or _TOO_LONG in body.translate(_DIGITS_AS_ZEROS)


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


def _depth_exceeds(value: Any, depth_max: int) -> bool:
    level = [value]
    for _ in range(depth_max):
        level = [v for parent in level for v in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [v for v in value.values() if isinstance(v, (dict, list))]
    return [v for v in value if isinstance(v, (dict, list))]


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
