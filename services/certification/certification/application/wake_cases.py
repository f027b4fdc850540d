"""Wakes the cases that waited for the same thing: each is looked at in a commit of its own."""

import datetime
from typing import Any

from certification.storage.cases import Cases
from certification.storage.jobs import Jobs

WOKEN_AT_ONCE_MAX = 100


class CaseWaking:
    def __init__(self, unit: Any):
        self._cases, self._jobs = Cases(unit), Jobs(unit)

    def wake(self, cases: dict[str, str], *, after: str, now: datetime.datetime) -> None:
        """Have the undecided cases that match looked at, page by page: those behind the id `after`."""
        found = self._cases.undecided(cases, after=after, limit=WOKEN_AT_ONCE_MAX)
        for case_id, correlation_id in found:
            self._jobs.review(case_id, correlation_id, at=now)
        if len(found) == WOKEN_AT_ONCE_MAX:
            self._jobs.wake(cases, at=now, after=found[-1][0])
