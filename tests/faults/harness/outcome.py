"""What a case says about how it went, beside what was left behind."""

import dataclasses
import datetime
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from harness.infrastructure import NOTICE_SENT

Arrivals = Iterable[tuple[float, dict[str, Any]]]
"""Events with the unix time at which each was heard, in that order."""


@dataclasses.dataclass
class Outcome:
    """Times in unix seconds. `strikes` has the name of each fault and from when on its recovery counts."""

    reached: bool
    strikes: list[tuple[str, float | None]]
    shows_recovery: str = NOTICE_SENT
    """How the types of the events begin of which the first shows that work goes on."""
    time: int = 0
    """Of a crash point: the how manieth time that it was reached."""
    recovery_s_max: float | None = None
    worked_until: float | None = None
    """Until when audits were handed in, at a pace that leaves no pause: then recovery is the longest silence. Without
    it recovery ends with the first new work."""

    def recoveries_s(self, arrivals: Arrivals) -> list[tuple[str, float | None]]:
        """Of each fault, from when it was over (or had struck, where others take over) until work goes on."""
        if self.worked_until is None:
            return [(name, recovery_s(arrivals, self.shows_recovery, at)) for name, at in self.strikes]
        until = self.worked_until
        return [(name, silence_s(arrivals, self.shows_recovery, at, until)) for name, at in self.strikes]


def recovery_s(arrivals: Arrivals, shows_recovery: str, since: float | None) -> float | None:
    """Seconds from `since` to the arrival of the first such event that was made later."""
    if since is None:
        return None
    moment = datetime.datetime.fromtimestamp(since, datetime.UTC)
    for at, message in arrivals:
        if message["type"].startswith(shows_recovery) and datetime.datetime.fromisoformat(message["time"]) > moment:
            return round(at - since, 2)
    return None


def silence_s(arrivals: Arrivals, shows_recovery: str, since: float | None, until: float) -> float | None:
    """The longest time without such an event that was made since, of those times that began before `until`.

    A first event alone says little: it may have been on its way when the fault struck.
    """
    if since is None or recovery_s(arrivals, shows_recovery, since) is None:
        return None
    moment = datetime.datetime.fromtimestamp(since, datetime.UTC)
    longest, before = 0.0, since
    for at, message in arrivals:
        if message["type"].startswith(shows_recovery) and datetime.datetime.fromisoformat(message["time"]) > moment:
            if before > until:
                break
            longest, before = max(longest, at - before), at
    return round(longest, 2)


def stall_s(arrivals: Arrivals) -> float | None:
    """The longest gap between two notices."""
    notices = [at for at, message in arrivals if message["type"].startswith(NOTICE_SENT)]
    return max((round(later - earlier, 2) for earlier, later in pairwise(notices)), default=None)


def missed(outcome: Outcome, recoveries_s: Iterable[tuple[str, float | None]], repeated_in_drain: int) -> list[str]:
    """What was to be reached (issue: "to reach") and was not; `repeated_in_drain` is 0 where no drain was watched."""
    sentences = []
    for name, seconds in recoveries_s:
        limit = outcome.recovery_s_max
        if limit is not None and (seconds is None or seconds > limit):
            said = "no new work was seen" if seconds is None else f"recovery took {seconds:.1f} s"
            sentences.append(f"{name}: {said}, at most {limit:g} s were to be reached")
    if repeated_in_drain:
        sentences.append(f"{repeated_in_drain} messages came again that a drained handler had carried out")
    return sentences
