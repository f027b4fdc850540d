"""Waits for what will be true soon, instead of sleeping for a guess; in tests, on a busy machine, soon is later."""

import contextlib
import os
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def eventually(probe: Callable[[], _T], *, within_s: float = 10, every_s: float = 0.02) -> _T:
    """The first true result of `probe`. Raises AssertionError when there is none within the time on an idle machine."""
    begun = time.monotonic()
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() - begun > within_s * patience():
            raise AssertionError(
                f"{getattr(probe, '__qualname__', probe)} stayed {result!r} for {time.monotonic() - begun:.1f} s"
            )
        time.sleep(every_s)


def awaited(
    probe: Callable[[], _T],
    slow: str,
    timeout_s: float,
    *,
    ignoring: tuple[type[Exception], ...] = (),
    every_s: float = 0.1,
) -> _T:
    """The first true result of `probe`; an error that is ignored counts as none. Raises TimeoutError, saying `slow`."""
    until = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(*ignoring):
            if result := probe():
                return result
        if time.monotonic() > until:
            raise TimeoutError(f"{slow} within {timeout_s:.0f} s")
        time.sleep(every_s)


def patience() -> float:
    """How many times as long as on an idle machine things may take: by how many processes queue for its cores."""
    return 1 + os.getloadavg()[0] / (os.cpu_count() or 1)
