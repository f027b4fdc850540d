"""The fingerprint of a report: the same for whatever order or spacing it came in."""

import hashlib
from typing import Any

import orjson
import rfc8785

from touchstone_contracts.plain import is_plain

_DEPTH_MAX = 64
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_BYTES_BELOW_F0 = bytes(range(0xF0))


def report_hash(report: dict[str, Any]) -> str:
    """SHA-256 over the report's canonical JSON (RFC 8785); the same for whatever order or spacing it came in."""
    return f"sha256:{hashlib.sha256(_canonical(report)).hexdigest()}"


def _canonical(report: dict[str, Any]) -> bytes:
    """The report as RFC 8785 has it.

    orjson writes texts, whole numbers of 53 bits, true, false and null in the same way. It writes floats in another,
    and orders keys by code points, the RFC by UTF-16 units: another order where a key holds a character beyond U+FFFF.
    """
    if is_plain(report, depth_max=_DEPTH_MAX):
        try:
            written = orjson.dumps(report, option=_SORTED)
        except TypeError:
            return rfc8785.dumps(report)
        if not written.translate(None, _BYTES_BELOW_F0):  # in UTF-8, only such a character has a byte from F0 on
            return written
    return rfc8785.dumps(report)
