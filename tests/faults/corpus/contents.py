"""Content that is JSON and yet no request or event of ours: wrong types, versions and names."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from corpus.rows import FINE, Row, answered, parked, row
from corpus.wire import Message

INVALID = answered("invalid_request")
_OPERATORS: list[Any] = [{"$gt": ""}, {"$where": "sleep(10000)"}, ["$ne"], {"$ref": "x", "$id": "y"}]
_REQUIRED = ("specversion", "id", "type", "source", "subject", "time", "sequence", "correlationid", "data")
_WRONG: dict[str, list[Any]] = {
    "specversion": ["0.3", "1.1", "2.0", 1, 1.0, None, "", [], *_OPERATORS],
    "id": ["", "x" * 201, 7, None, [], *_OPERATORS],
    "type": ["", "assessment.unheard_of.v1", "notification.notice_sent.v1", 7, None, [], "x" * 10_000, *_OPERATORS],
    "source": ["", "x" * 201, 7, None, *_OPERATORS],
    "subject": ["", "x" * 201, 7, None, *_OPERATORS],
    "time": ["", "yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59-14:00",
             "0001-01-01T00:00:00+14:00", "10000-01-01T00:00:00Z", 0, 1e300, None, *_OPERATORS],
    "sequence": [-1, 1.5, "1", True, None, [], *_OPERATORS],
    "correlationid": ["", "x" * 201, 7, None, *_OPERATORS],
    "causationid": [7, [], "x" * 900_000, *_OPERATORS],
    "traceparent": [7, [], *_OPERATORS],
    "data": [None, [], "x", 7, {}, {"$set": {}}, {"": ""}],
}  # fmt: skip
_KEYS: list[Any] = [None, "", 7, True, [], "x" * 201, *_OPERATORS]
_NAMES = ["$gt", "$where", "a.b", "", "self", "request", "__class__", "\0", "\u202e", "x" * 10_000]


def _content(change: Callable[[dict[str, Any]], Any]) -> Callable[[Message], Message]:
    def spoil(message: Message) -> Message:
        return message.but(body=json.dumps(change(json.loads(message.body))).encode())

    return spoil


def _without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda content: {key: value for key, value in content.items() if key != name}


def _with(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda content: content | {name: value}


def _newer(content: dict[str, Any]) -> dict[str, Any]:
    return content | {"type": f"{content['type'].rpartition('.')[0]}.v99"}


def _event(name: str, change: Callable[[dict[str, Any]], Any], queued: str) -> Row:
    return row(f"event: {name}", _content(change), call=None, queued=queued, command=None)


def _call(name: str, change: Callable[[dict[str, Any]], Any], call: Any = INVALID) -> Row:
    return row(f"call: {name}", _content(change), call=call, queued=None, command=None)


def _arguments(name: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    """With a key of its own: under that of the good call, another body is a conflict."""
    fresh = {"idempotency_key": uuid.uuid4().hex}
    return lambda content: content | {"kwargs": content["kwargs"] | fresh | {name: value}}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:20]}... ({len(text)} characters)"


EVENTS = [
    *(_event(f"without {name}", _without(name), parked("schema")) for name in _REQUIRED),
    *(
        _event(f"{name} is {_short(value)}", _with(name, value), parked("schema"))
        for name, values in _WRONG.items()
        for value in values
    ),
    _event("of a newer version", _newer, parked("schema")),
    _event("an attribute that nobody knows", _with("$where", {"a.b": 1}), FINE),
    _event("sequence is the largest number", _with("sequence", 2**63 - 1), FINE),
    _event("a trace that is none", _with("traceparent", "00-zz\r\nX: y"), FINE),
    _event("a trace of 900 KB", _with("traceparent", "0" * 900_000), FINE),
]
CALLS = [
    _call("arguments by position", _with("args", [1])),
    _call("arguments by position as an object", _with("args", {"a": 1})),
    _call("named arguments as a list", _with("kwargs", [])),
    _call("named arguments are null", _with("kwargs", None)),
    _call("named arguments as a text", _with("kwargs", "x")),
    *(_call(f"an argument called {_short(name)}", _arguments(name, {"$gt": ""})) for name in _NAMES),
]
KEYS = [_call(f"idempotency key {_short(key)}", _arguments("idempotency_key", key)) for key in _KEYS]
"""For commands: a query asks for no key."""
