"""Makes ids for events: unique, and in the order of time, so that the indexes that hold them grow at their end."""

import secrets
import time

_VERSION_7, _VARIANT = 0x7 << 76, 0b10 << 62
_RANDOM_BITS = (1 << 76) - 1 ^ 0b11 << 62


def new_id() -> str:
    """A UUID of version 7 (RFC 9562) as 32 hexadecimal digits. The standard library makes them from Python 3.14 on."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{milliseconds << 80 | _VERSION_7 | _VARIANT | secrets.randbits(76) & _RANDOM_BITS:032x}"


def first_id_at(seconds: float) -> str:
    """What is below all ids that are made from that moment (unix time) on, and above those made before."""
    return f"{int(seconds * 1000) << 80:032x}"


def is_ours(id: str) -> bool:
    """Whether `new_id` may have made it. The release before made others, and who counts events counts none of those."""
    return len(id) == 32 and id[12] == "7"
