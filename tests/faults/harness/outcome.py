"""What a case says about how it went, beside what was left behind."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from harness.infrastructure import NOTICE_SENT

Arrivals = Iterable[tuple[float, dict[str, Any]]]
"""Events with the unix time at which each was heard, in that order."""


@dataclasses.dataclass(frozen=True)
class Strike:
    """One fault; times in unix seconds."""

    name: str
    since: float | None
    """From when on its recovery counts: when it was over, or had struck and others take over. None: it never struck."""
    shows_recovery: str = NOTICE_SENT
    """How the types of the events begin that show that work goes on."""
    worked_until: float | None = None
    """Until when audits were handed in, at a pace that leaves no pause: then recovery is the longest silence. Without
    it recovery ends with the first new work."""
    next_at: float | None = None
    """When another fault struck: a silence that is not over by then is the other's from there on."""

    def recovery_s(self, arrivals: Arrivals) -> float | None:
        """None when it did not strike, or nothing new came."""
        if self.worked_until is None:
            return recovery_s(arrivals, self.shows_recovery, self.since)
        return silence_s(arrivals, self.shows_recovery, self.since, self.worked_until, self.next_at)


@dataclasses.dataclass
class Outcome:
    """What struck, and whether that was all that was to strike."""

    reached: bool
    strikes: Sequence[Strike]
    time: int = 0
    """Of a crash point: the how manieth time that it was reached."""

    def recoveries_s(self, arrivals: Arrivals) -> list[tuple[str, float | None]]:
        """Of each fault that struck: see `Strike.since`."""
        return [(strike.name, strike.recovery_s(arrivals)) for strike in self.strikes if strike.since is not None]


def recovery_s(arrivals: Arrivals, shows_recovery: str, since: float | None) -> float | None:
    """Seconds from `since` to the arrival of the first such event that was made later."""
    if since is None:
        return None
    return next((round(at - since, 2) for at in _new(arrivals, shows_recovery, since)), None)


def silence_s(
    arrivals: Arrivals, shows_recovery: str, since: float | None, until: float, next_at: float | None = None
) -> float | None:
    """The longest time without such an event that was made since, of those times that began before `until`.

    A first event alone says little: it may have been on its way when the fault struck. The first silence counts even
    if the work ended before `since`. What lies after `next_at` does not count, but for a first event that comes later.
    """
    first_s = recovery_s(arrivals, shows_recovery, since)
    if since is None or first_s is None:
        return None
    longest, before = first_s, since
    for at in _new(arrivals, shows_recovery, since):
        if before > max(until, since) or (next_at is not None and before >= next_at):
            break
        end = at if next_at is None or before == since else min(at, next_at)
        longest, before = max(longest, end - before), at
    return round(longest, 2)


def stall_s(arrivals: Arrivals, begun: float, ended: float) -> float:
    """The longest time without a notice between two moments: the first call, and when all was quiet again."""
    notices = [at for at, message in arrivals if message["type"].startswith(NOTICE_SENT) and begun < at < ended]
    return max(round(later - earlier, 2) for earlier, later in pairwise([begun, *notices, ended]))


def _new(arrivals: Arrivals, shows_recovery: str, since: float) -> Iterator[float]:
    """When each such event arrived that was made after `since`."""
    moment = datetime.datetime.fromtimestamp(since, datetime.UTC)
    for at, message in arrivals:
        if message["type"].startswith(shows_recovery) and datetime.datetime.fromisoformat(message["time"]) > moment:
            yield at
