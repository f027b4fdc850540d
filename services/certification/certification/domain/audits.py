"""The accepted audit as certification keeps it, and what was said about its corrective action plans afterwards."""

import dataclasses
import datetime
from collections.abc import Iterable

from touchstone_contracts.registry import value
from touchstone_contracts.values import (
    AuditType,
    History,
    Nonconformity,
    PinnedMember,
    Place,
    PlanState,
    Rating,
    Scope,
    Standard,
)


@value
class Audit:
    """What was accepted; frozen. `history` is set for a certification that the registrar imported.

    `member` is the member as acceptance knew it; None in imports, and from assessments that did not look.
    """

    audit_id: str
    report_id: str
    report_hash: str
    audit_type: AuditType
    standard: Standard
    standard_open_from: datetime.date
    standard_open_until: datetime.date | None = None
    member_id: str
    entity: Place
    scope: Scope
    body_id: str
    body_name: str
    team: list[str]
    team_logins: list[str] = dataclasses.field(default_factory=list)
    submitted_by: str
    submitters: list[str] = dataclasses.field(default_factory=list)
    accepted_by: str
    audited_until: datetime.date
    accepted_at: datetime.datetime
    ratings: dict[str, int]
    nonconformities: list[Nonconformity]
    history: History | None = None
    member: PinnedMember | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanReview:
    """The newest word on the corrective action plan for one non-conformity."""

    audit_id: str
    criterion: str
    plan_state: PlanState
    plan_due_on: datetime.date | None


def standard_name(standard: Standard) -> str:
    return f"{standard.code} {standard.version}"


def took_part(audit: Audit, subject: str) -> bool:
    """Whether `subject` was on the audit team, by whatever login, or wrote any version of the report: such a person may
    neither accept nor decide it."""
    return subject in {*audit.team, *audit.team_logins, *audit.submitters, audit.submitted_by}


def notifies(audit: Audit) -> bool:
    """Whether stakeholders are told: always, except of imported history, where the registrar says so."""
    return audit.history is None or audit.history.notify


def decision_day(audit: Audit, today: datetime.date) -> datetime.date:
    """The date as of which the audit is decided: today, or the published date of issue of an imported one."""
    return audit.history.issued_on if audit.history else today


def with_reviews(audit: Audit, reviews: Iterable[PlanReview]) -> list[Nonconformity]:
    """The audit's non-conformities with what was said about their plans since. Reviews of other criteria are ignored.

    A review that names no due date leaves the one that was there.
    """
    said = {review.criterion: review for review in reviews}
    return [_reviewed(found, said.get(found.criterion)) for found in audit.nonconformities]


def of_rating(found: Iterable[Nonconformity], rating: Rating) -> list[Nonconformity]:
    return [one for one in found if one.rating is rating]


def _reviewed(found: Nonconformity, review: PlanReview | None) -> Nonconformity:
    if review is None:
        return found
    return Nonconformity(
        criterion=found.criterion,
        rating=found.rating,
        plan_state=review.plan_state,
        plan_due_on=review.plan_due_on or found.plan_due_on,
    )
