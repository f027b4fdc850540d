"""Headers and properties that no honest sender sets: of strange types, too many, forged, at the limits of AMQP."""

import datetime
import decimal
import struct
from typing import Any

from corpus.rows import BROKER, FINE, UNHEARD, Row, answered, parked, row
from corpus.wire import Message

MALFORMED = answered("malformed_request")
_STRANGE: dict[str, Any] = {
    "a text": "x",
    "a number": 7,
    "the largest number": 2**63 - 1,
    "true": True,
    "nothing": None,
    "an empty text": "",
    "bytes that are no UTF-8": b"\xff\xfe",
    "a list of numbers": [1, 2],
    "a list in a list": [["x"]],
    "a table": {"$gt": ""},
    "a fraction": 1.5,
    "a decimal": decimal.Decimal("1.5"),
    "a time": datetime.datetime(2026, 1, 1),
}
_NO_STACK = {name: value for name, value in _STRANGE.items() if name not in ("nothing",)}


def _header(name: str, what: str, value: Any, call: Any, queued: Any, command: Any = ()) -> Row:
    def spoil(message: Message) -> Message:
        return message.headed({name: value})

    return row(f"header {name}: {what}", spoil, call=call, queued=queued, command=command)


def _property(name: str, what: str, value: Any, call: Any, queued: Any, command: Any = ()) -> Row:
    def spoil(message: Message) -> Message:
        return message.but(**{name: value})

    return row(f"{name}: {what}", spoil, call=call, queued=queued, command=command)


def _ignored(name: str, what: str, value: Any) -> Row:
    """A header that nobody of ours reads."""
    return _header(name, what, value, FINE, FINE)


def _raw(name: str, flags: int, properties: bytes) -> Row:
    """Properties that cannot be read: not even the address for the answer can."""
    unreadable = (parked("rejected"), parked("unreadable"))

    def spoil(message: Message) -> Message:
        return message.but(raw=(flags, properties))

    return row(f"properties: {name}", spoil, call=unreadable, queued=unreadable)


def _table(item: bytes) -> bytes:
    return struct.pack(">I", len(item)) + item


def _nested_tables(depth: int) -> bytes:
    item = b"\x01aI\x00\x00\x00\x01"
    for _ in range(depth):
        item = b"\x01aF" + _table(item)
    return _table(item)


_UNAUTHENTICATED = answered("unauthenticated")
STACK = [
    _header("nameko.call_id_stack", what, value, MALFORMED, parked("headers")) for what, value in _NO_STACK.items()
]
TOKENS = [
    _header("nameko.authorization", what, value, (_UNAUTHENTICATED, FINE), FINE, UNHEARD)
    for what, value in _STRANGE.items()
] + [
    _header("nameko.authorization", what, value, (_UNAUTHENTICATED, FINE), FINE, UNHEARD)
    for what, value in {
        "dots": "...",
        "a NUL": "\0",
        "three parts of nothing": "e30.e30.e30",
        "100 KB": "x" * 100_000,
        "a token in a list": ["e30.e30.e30"],
    }.items()
]
DEADLINES = [
    _header("nameko.deadline", what, value, MALFORMED, FINE)
    for what, value in _STRANGE.items()
    if what not in ("a number", "the largest number", "nothing")
] + [
    _header("nameko.deadline", "a digit that is no number", "\u00b2", MALFORMED, FINE),
    _header("nameko.deadline", "400 digits", "9" * 400, MALFORMED, FINE),
    _header("nameko.deadline", "10,000 digits", "9" * 10_000, MALFORMED, FINE),
    _header("nameko.deadline", "negative, as a text", "-1", MALFORMED, FINE),
    _header("nameko.deadline", "in the past", 1, answered("deadline_exceeded"), FINE),
    _header("nameko.deadline", "negative", -(2**63), answered("deadline_exceeded"), FINE),
    _header("nameko.deadline", "in a thousand years", 2**63 - 1, FINE, FINE),
]
CONTEXT = [
    _ignored(name, what, value)
    for name in ("nameko.correlation_id", "traceparent", "touchstone-attempt", "touchstone-reason", "x-death")
    for what, value in _STRANGE.items()
    if not (name == "x-death" and what == "nothing")
] + [
    _ignored("nameko.correlation_id", "100 KB", "x" * 100_000),
    _ignored("nameko.correlation_id", "a line break", "a\n{}"),
    _ignored("nameko.correlation_id", "half a character", "a\ud800b"),
    _ignored("touchstone-attempt", "a negative number", -1),
    _ignored("touchstone-tag", "forged", "x"),
    _ignored("touchstone-dead-letter", "forged", {"$ne": None}),
    _ignored("touchstone-replays", "forged", 2**63 - 1),
    _ignored("x-delivery-count", "forged", 10**9),
    _ignored("x-last-death-queue", "forged", "assessment.intake"),
    _ignored("", "a name of no characters", "x"),
    _ignored("$where", "an operator", "1"),
    _ignored("a.b.$gt", "a path", "1"),
    _ignored("a\0b", "a NUL in the name", "a\0b"),
    _ignored("large", "100 KB", "x" * 100_000),
    row("headers: a thousand", lambda m: m.headed({f"h{n}": n for n in range(1000)}), call=FINE, queued=FINE),
]
ROUTING = [
    _header("x", "not a number", float("nan"), BROKER, BROKER),
    _header("CC", "no list", "x", BROKER, BROKER),
    _header("BCC", "a text", "x", BROKER, BROKER),
    _header("CC", "nowhere", ["no-such-queue"], FINE, FINE),
]
ATTRIBUTES = [
    _property("message_id", "missing", None, FINE, FINE, parked("no_message_id")),
    _property("message_id", "empty", "", FINE, FINE, parked("no_message_id")),
    _property("message_id", "of 255 characters", "m" * 255, FINE, FINE, parked("no_message_id")),
    _property("message_id", "an operator", "$gt", FINE, FINE),
    _property("message_id", "a NUL", "a\0b", FINE, FINE, parked("no_message_id")),
    _property("message_id", "a line break", "a\nb", FINE, FINE, parked("no_message_id")),
    _property("message_id", "half a character", "a\ud800b", FINE, FINE, parked("no_message_id")),
    _property("correlation_id", "missing", None, FINE, FINE),
    _property("correlation_id", "of 255 characters", "c" * 255, FINE, FINE),
    _property("reply_to", "missing", None, parked("no_reply_to"), FINE),
    _property("reply_to", "empty", "", parked("no_reply_to"), FINE),
    _property("reply_to", "nobody's", "nobody-listens-here", UNHEARD, FINE),
    _property("reply_to", "of 255 characters", "r" * 255, UNHEARD, FINE),
    _property("reply_to", "wild cards", "#.*", UNHEARD, FINE),
    _property("reply_to", "direct", "amq.rabbitmq.reply-to.nobody", UNHEARD, FINE),
    _property("reply_to", "a NUL and a line break", "a\0\r\nb", UNHEARD, FINE),
    _property("expiration", "negative", "-1", BROKER, BROKER),
    _property("expiration", "a word", "soon", BROKER, BROKER),
    _property("expiration", "at once", "0", (FINE, parked("expired")), (FINE, parked("expired"))),
    _property("priority", "the highest", 255, FINE, FINE),
    _property("delivery_mode", "unknown", 9, (FINE, BROKER), (FINE, BROKER)),  # RabbitMQ 3.10 refuses it
    _property("user_id", "somebody else's", "somebody-else", BROKER, BROKER),
    _property("type", "an operator", "$gt", FINE, FINE),
    _property("app_id", "255 NULs", "\0" * 255, FINE, FINE),
]
UNREADABLE = [
    _raw("a content type that is no UTF-8", 0x8000, b"\x02\xff\xfe"),
    _raw("a correlation id that is no UTF-8", 0x0400, b"\x02\xff\xfe"),
    _raw("a header's timestamp beyond all years", 0x2000, _table(b"\x01tT\x7f" + b"\xff" * 7)),
    _raw("tables in tables, 2,000 deep", 0x2000, _nested_tables(2_000)),  # the broker itself takes a second for 5,000
]
HEADERS = [*STACK, *TOKENS, *DEADLINES, *CONTEXT, *ROUTING, *ATTRIBUTES, *UNREADABLE]
