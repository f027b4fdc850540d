"""Corrective action plans: which findings need one, and how a body decides on it."""

import dataclasses
import datetime

from touchstone_contracts.values import PlanState, Rating

PLANNED = frozenset({Rating.MINOR_NONCONFORMITY, Rating.MAJOR_NONCONFORMITY})
"""Ratings that need a corrective action plan's state, be it `none`."""

NONCONFORMING = PLANNED | {Rating.CRITICAL_BREACH}

REVIEWED = (PlanState.APPROVED, PlanState.REJECTED)
"""What a review may come to."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanReview:
    """What a body decided on one corrective action plan after the report was accepted, and who did."""

    criterion: str
    plan_state: PlanState
    plan_due_on: datetime.date | None
    reviewed_by: str
    reviewed_at: datetime.datetime
