"""Looks up in the copies of membership's facts whom and what a report names; waits a moment for what is on its way."""

import dataclasses
import datetime
from typing import Any

from assessment.domain.register import Register
from assessment.storage.register import RegisterCopies

MEMBERSHIP = "membership"
PATIENCE_S = 10.0
"""So long a call waits for membership's next heartbeats, which come every 2 s, if it names something unknown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookedUp:
    """What is known of those that a report names. `all_told`: all is here that membership had told by `asked_at` (of
    the clock of heartbeats): what is unknown then is unknown there, too."""

    register: Register
    all_told: bool
    asked_at: datetime.datetime


class KnownRegister:
    """`take_unknown`: while a membership that tells no records is being replaced, what is unknown is not waited for."""

    def __init__(self, copies: RegisterCopies, heartbeats: Any, *, patient: bool, take_unknown: bool):
        self._copies, self._heartbeats = copies, heartbeats
        self._patient, self.take_unknown = patient, take_unknown

    def look_up(self, report: Any, *, since: datetime.datetime | None = None) -> LookedUp:
        """`since`: when this was asked for the first time, if not now."""
        register = self._copies.named_in(report)
        asked_at = since or self._heartbeats.now()
        if self.take_unknown or not register.unknown(report):
            return LookedUp(register=register, all_told=False, asked_at=asked_at)
        if self._patient:
            self._heartbeats.wait_for(MEMBERSHIP, lambda: self._knows(report), within_s=PATIENCE_S)
        all_told = self._heartbeats.has_handled(MEMBERSHIP, asked_at)
        return LookedUp(register=self._copies.named_in(report), all_told=all_told, asked_at=asked_at)

    def _knows(self, report: Any) -> bool:
        return not self._copies.named_in(report).unknown(report)
