"""Waits in tests for what will be true soon, instead of sleeping for a guess."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def eventually(probe: Callable[[], _T], *, within_s: float = 10, every_s: float = 0.02) -> _T:
    """The first true result of `probe`. Raises AssertionError when there is none in time."""
    until = time.monotonic() + within_s
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > until:
            raise AssertionError(f"{getattr(probe, '__qualname__', probe)} stayed {result!r} for {within_s} s")
        time.sleep(every_s)
