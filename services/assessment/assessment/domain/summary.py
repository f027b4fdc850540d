"""What certification and the lists need of a checked report: who, what, when, and how it was rated."""

import collections
import collections.abc
import dataclasses
import datetime

from assessment.domain.findings import NONCONFORMING
from assessment.domain.reading import Report
from assessment.domain.standards import StandardVersion
from touchstone_contracts.values import AuditType, Nonconformity, Place, PlanState, Scope, Standard

_LOW, _MEDIUM, _HIGH = "low", "medium", "high"
_NONCONFORMING = {rating.value: rating for rating in NONCONFORMING}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """A report without its findings' texts. `team` holds auditor ids, `ratings` the number of criteria by rating."""

    report_id: str
    body_id: str
    member_id: str
    audit_type: AuditType
    standard: Standard
    entity: Place
    scope: Scope
    team: tuple[str, ...]
    audited_from: datetime.date
    audited_until: datetime.date
    report_due_on: datetime.date
    ratings: dict[str, int]
    nonconformities: tuple[Nonconformity, ...]
    overall_maturity: str
    recommendation: str


def summarise(report: Report, standard: StandardVersion) -> Summary:
    """The summary of a report in which nothing was found wrong."""
    nonconformities = _nonconformities(report, standard.plan_due_days)
    scope = report["scope"]
    return Summary(
        report_id=report["report_id"],
        body_id=report["body_id"],
        member_id=report["member_id"],
        audit_type=AuditType(report["audit_type"]),
        standard=Standard(code=standard.code, version=standard.version),
        entity=Place(**report["entity"]),
        scope=Scope(
            type=scope["type"],
            text=scope["text"],
            activities=list(scope["activities"]),
            facilities=[Place(**facility) for facility in scope["facilities"]],
        ),
        team=tuple(member["auditor_id"] for member in report["team"]),
        audited_from=report["audited_from"],
        audited_until=report["audited_until"],
        report_due_on=_days_after(report["audited_until"], standard.report_due_days),
        ratings=dict(collections.Counter(finding["rating"] for finding in report["findings"])),
        nonconformities=nonconformities,
        overall_maturity=overall_maturity(report["maturity"].values(), conforming=not nonconformities),
        recommendation=report["recommendation"],
    )


def overall_maturity(levels: collections.abc.Iterable[str], *, conforming: bool) -> str:
    """The lowest of the three dimensions; high only without any non-conformity (public page on the Assurance Manual).

    That the lowest decides is this system's own default: the scheme's rule for combining them is not published.
    """
    lowest = min(levels, key=(_LOW, _MEDIUM, _HIGH).index)
    return _MEDIUM if lowest == _HIGH and not conforming else lowest


def _nonconformities(report: Report, plan_due_days: int) -> tuple[Nonconformity, ...]:
    """Each with its plan's state. A plan without a date is due `plan_due_days` after the audit's last day."""
    found = []
    for finding in report["findings"]:
        rating = _NONCONFORMING.get(finding["rating"])
        if rating is None:
            continue
        plan = finding.get("plan") or {}
        due_on = plan.get("due_on") or _days_after(report["audited_until"], plan_due_days)
        state = PlanState(plan.get("state", PlanState.NONE.value))
        found.append(Nonconformity(criterion=finding["criterion"], rating=rating, plan_state=state, plan_due_on=due_on))
    return tuple(found)


def _days_after(day: datetime.date, days: int) -> datetime.date:
    """The calendar's last day where it ends before that."""
    return day + datetime.timedelta(days=min(days, (datetime.date.max - day).days))
