"""Bodies that are no message of ours: broken, compressed, pickled, too deep, too large, or mislabelled."""

import bz2
import gzip
import pickle
import zlib
from typing import Any

from corpus.rows import FINE, Row, answered, parked, row
from corpus.wire import Message

from touchstone_chassis.rpc.method import PUBLIC_BYTES_MAX

MALFORMED = answered("malformed_request")
MEGABYTE = 1024 * 1024
MARKER = "/tmp/touchstone-a-pickle-was-opened"
"""A file that the pickled body would make, were it ever unpickled."""


class _Opened:
    """Whoever unpickles it runs a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (MARKER, "w")


def _undecodable(name: str, body: bytes) -> Row:
    return row(f"body: {name}", lambda m: m.but(body=body), call=MALFORMED, queued=parked("undecodable"))


def _content_type(name: str, content_type: Any) -> Row:
    def spoil(message: Message) -> Message:
        return message.but(content_type=content_type)

    return row(f"content type: {name}", spoil, call=MALFORMED, queued=parked("content_type"))


def _content_encoding(name: str, encoding: str) -> Row:
    def spoil(message: Message) -> Message:
        return message.but(content_encoding=encoding)

    return row(f"content encoding: {name}", spoil, call=MALFORMED, queued=parked("content_encoding"))


def _compressed(name: str, packed: bytes, kind: str) -> list[Row]:
    """By kombu's header, which plain nameko honours before all else; by the encoding; and by neither."""

    def by_header(message: Message) -> Message:
        return message.but(body=packed).headed({"compression": kind})

    def by_encoding(message: Message) -> Message:
        return message.but(body=packed, content_encoding=kind.rpartition("-")[2])

    return [
        row(f"{name}, by header", by_header, call=MALFORMED, queued=parked("compressed")),
        row(f"{name}, by encoding", by_encoding, call=MALFORMED, queued=parked("content_encoding")),
        _undecodable(f"{name}, not said", packed),
    ]


def _inserted(name: str, text: str, call: str, queued: str) -> Row:
    """One more member in front of an otherwise good object."""

    def spoil(message: Message) -> Message:
        return message.but(body=b'{"more":' + text.encode() + b"," + message.body[1:])

    return row(f"body: {name}", spoil, call=call, queued=parked(queued))


def _doubled(name: str, members: bytes) -> Row:
    """Two members of one name in front of an otherwise good object."""
    return row(
        f"body: {name}",
        lambda m: m.but(body=b"{" + members + m.body[1:]),
        call=MALFORMED,
        queued=parked("doubled_key"),
    )


def _grown(to_bytes: int) -> Any:
    """The good object, with blanks at its end."""
    return lambda m: m.but(body=m.body + b" " * (to_bytes - len(m.body)))


BODIES = [
    _undecodable("empty", b""),
    _undecodable("blanks", b" \n\t"),
    _undecodable("an open brace", b"{"),
    _undecodable("a list", b"[]"),
    _undecodable("a number", b"1"),
    _undecodable("null", b"null"),
    _undecodable("a text", b'"{}"'),
    _undecodable("NUL bytes", b"\0" * 64),
    _undecodable("no UTF-8", b'{"a": "\xff\xfe"}'),
    _undecodable("UTF-16", '{"a": 1}'.encode("utf-16")),
    _undecodable("a byte order mark", b"\xef\xbb\xbf{}"),
    _undecodable("an overlong encoding of a slash", b'{"a": "\xc0\xaf"}'),
    _undecodable("XML", b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"),
    _undecodable("YAML", b"!!python/object/apply:os.system ['true']"),
    row("body: cut off in the middle", lambda m: m.but(body=m.body[: len(m.body) // 2]), call=MALFORMED,
        queued=parked("undecodable")),
    row("body: two objects", lambda m: m.but(body=m.body * 2), call=MALFORMED, queued=parked("undecodable")),
    row("body: one comma too many", lambda m: m.but(body=m.body[:-1] + b",}"), call=MALFORMED,
        queued=parked("undecodable")),
    _inserted("not a number", "NaN", MALFORMED, "undecodable"),
    _inserted("infinity", "-Infinity", MALFORMED, "undecodable"),
    _inserted("a number that overflows to infinity", "1e999", MALFORMED, "undecodable"),
    _inserted("a number of 65 bits", str(2**64), MALFORMED, "undecodable"),
    _inserted("a number of 100,000 digits", "9" * 100_000, MALFORMED, "undecodable"),
    _inserted("half a character", '"\\ud800"', MALFORMED, "undecodable"),
    _inserted("half a character in a name", '{"\\udfff": 1}', MALFORMED, "undecodable"),
    _inserted("100 lists in each other", "[" * 100 + "]" * 100, MALFORMED, "too_deep"),
    _inserted("200 objects in each other", '{"a":' * 200 + "1" + "}" * 200, MALFORMED, "too_deep"),
    _inserted("100,000 lists in each other", "[" * 100_000 + "]" * 100_000, MALFORMED, "too_deep"),
    row("body: 100,000 lists that never end", lambda m: m.but(body=b"[" * 100_000), call=MALFORMED,
        queued=(parked("too_deep"), parked("undecodable"))),
    _inserted("an object of 201 members", "{" + ",".join(f'"{n}":1' for n in range(201)) + "}", MALFORMED, "too_many"),
    _inserted("10,000 values", "[1" + ",1" * 9_999 + "]", MALFORMED, "too_many"),
    _inserted("300,000 empty objects", "[{}" + ",{}" * 299_999 + "]", MALFORMED, "too_many"),
    _doubled("a key twice", b'"more":1,"more":1,'),
    _doubled("a key twice, once in escapes, with a colon to make up for it", rb'"more":"\u003a","\u006dore":1,'),
    _doubled("a key twice, far inside", b'"more":[{"a":{"b":1,"b":2}}],'),
    row("body: a byte more than allowed", _grown(MEGABYTE + 1), call=MALFORMED, queued=parked("too_large")),
    row("body: exactly as long as allowed with a token", _grown(MEGABYTE), call=(FINE, MALFORMED), queued=FINE),
    row("body: exactly as long as allowed without a token", _grown(PUBLIC_BYTES_MAX), call=FINE, queued=FINE),
    *_compressed("a small body, gzip", gzip.compress(b"{}"), "application/x-gzip"),
    *_compressed("a bomb of 64 MB, gzip", gzip.compress(bytes(64 * MEGABYTE), 1), "application/x-gzip"),
    *_compressed("a bomb of 64 MB, bzip2", bz2.compress(bytes(64 * MEGABYTE), 1), "application/x-bz2"),
    *_compressed("a bomb of 64 MB, zlib", zlib.compress(bytes(64 * MEGABYTE), 1), "application/x-gzip"),
    *_compressed("a bomb in a bomb", gzip.compress(gzip.compress(bytes(64 * MEGABYTE), 1)), "application/x-gzip"),
    _undecodable("a pickle that says it is JSON", pickle.dumps(_Opened())),
    row("body: a pickle", lambda m: m.but(body=pickle.dumps(_Opened()), content_type="application/x-python-serialize"),
        call=MALFORMED, queued=parked("content_type")),
    row("body: a pickle in binary", lambda m: m.but(body=pickle.dumps(_Opened()), content_type="application/data",
        content_encoding="binary"), call=MALFORMED, queued=parked("content_type")),
    _content_type("missing", None),
    _content_type("empty", ""),
    _content_type("text", "application/text"),
    _content_type("YAML", "application/x-yaml"),
    _content_type("msgpack", "application/x-msgpack"),
    _content_type("XML", "application/xml"),
    _content_type("in capitals", "APPLICATION/JSON"),
    _content_type("with a parameter", "application/json; charset=latin-1"),
    _content_type("with a NUL", "application/json\0"),
    _content_type("of 255 characters", "application/" + "j" * 243),
    _content_encoding("unknown", "bogus"),
    _content_encoding("binary", "binary"),
    _content_encoding("base64", "base64"),
    _content_encoding("rot13", "rot_13"),
    _content_encoding("UTF-16", "utf-16"),
    _content_encoding("with a NUL", "utf-8\0"),
    row("content encoding: missing", lambda m: m.but(content_encoding=None), call=FINE, queued=FINE),
]  # fmt: skip
