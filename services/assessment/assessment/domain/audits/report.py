"""What an audit report says: its words, and its summary for certification and the lists."""

import collections
import collections.abc
import dataclasses
import datetime
from typing import Any

from assessment.domain.corrective_actions import NONCONFORMING
from assessment.domain.standards import StandardVersion
from touchstone_contracts.values import AuditType, Nonconformity, Place, PlanState, Scope, Standard

Report = collections.abc.Mapping[str, Any]
"""A report as far as it could be read: in the documented form, dates as dates, without what had no readable form."""

STATEMENTS = (
    "information_true",
    "findings_evidence_based",
    "scope_and_method_sufficient",
    "confidential_and_impartial",
)
"""What the auditors state; a report without any of them is not one (sheet of a published summary report)."""

SCOPE_TYPES = ("business", "facility", "product_program")
_LOW, _MEDIUM, HIGH = MATURITY_LEVELS = ("low", "medium", "high")
MATURITY_DIMENSIONS = ("systems", "risk", "performance")
RECOMMENDATIONS = ("certify", "certify_provisionally", "do_not_certify", "maintain", "suspend", "withdraw")

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

    def names(self) -> dict[str, Any]:
        """Whom and what it names of membership's, as the report does."""
        facilities = [{"id": facility.id} for facility in self.scope.facilities]
        return {"member_id": self.member_id, "entity": {"id": self.entity.id}, "scope": {"facilities": facilities}}


def summarise(report: Report, standard: StandardVersion) -> Summary:
    """The summary of a report in which nothing was found wrong."""
    nonconformities = _nonconformities(report, standard)
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
        overall_maturity=overall_maturity(report["maturity"].values()),
        recommendation=report["recommendation"],
    )


def overall_maturity(levels: collections.abc.Iterable[str]) -> str:
    """The lowest of the three dimensions: this system's own default, the scheme's rule is not published.

    A report that comes to high with any non-conformity is refused (public page on the Assurance Manual, 5.6).
    """
    return min(levels, key=(_LOW, _MEDIUM, HIGH).index)


def _nonconformities(report: Report, standard: StandardVersion) -> tuple[Nonconformity, ...]:
    """Each with its plan's state. A plan without a date is due when the standard says."""
    found = []
    for finding in report["findings"]:
        rating = _NONCONFORMING.get(finding["rating"])
        if rating is None:
            continue
        plan = finding.get("plan") or {}
        due_on = plan.get("due_on") or standard.plan_due_by(report["audited_until"])
        state = PlanState(plan.get("state", PlanState.NONE.value))
        found.append(Nonconformity(criterion=finding["criterion"], rating=rating, plan_state=state, plan_due_on=due_on))
    return tuple(found)


def _days_after(day: datetime.date, days: int) -> datetime.date:
    """The calendar's last day where it ends before that."""
    return day + datetime.timedelta(days=min(days, (datetime.date.max - day).days))
