"""The facts of a case that the decision table may ask for, gathered from the audit and from what is known around it."""

import dataclasses
import datetime
import enum
from typing import Any, NamedTuple

from certification.domain.audits import Audit, PlanReview, of_rating, standard_name, took_part, with_reviews
from certification.domain.certificates.certificate import Certificate
from certification.domain.mandates import Mandate
from certification.domain.members import Member
from touchstone_contracts.values import Nonconformity, PlanState, Rating

VOCABULARY = {
    "today": "the day on which the case is looked at",
    "decision_on": "the date of the decision: today, or the published date of issue of an imported certificate",
    "imported": "whether the registrar imported a past certification",
    "audit_type": "kind of audit",
    "audited_until": "last day on site",
    "decided_before_audit_ended": "whether the date of the decision lies before the last day on site",
    "standard": "code and version of the standard",
    "standard_code": "code of the standard",
    "standard_window": "open, closed or not yet open for certification on the last day on site",
    "activities": "supply chain activities in scope",
    "criteria_rated": "number of criteria that have a rating",
    "rating_disagreements": "number of grave ratings whose count differs from the non-conformities listed",
    "team_size": "number of people on the audit team",
    "accepted_by": "who accepted the report",
    "accepted_by_audit_party": "whether whoever accepted the report took part in the audit or wrote the report",
    "member_name": "name of the member",
    "member_class": "membership class, or unknown where nothing was told of it",
    "member_standing": "active, suspended or not yet active on the date of the decision",
    "ps_certificate": "valid or missing: the entity's Performance Standard certificate on the date of the decision",
    "certificate_held": "number of the certificate in force today that the audit is about, or none",
    "certificate_state": "what that certificate is today: valid, provisional, suspended, or none",
    "certificate_level": "its level, full or provisional, or none",
    "certificate_expires_on": "its last day of validity, or none",
    "certificate_beside": "number of another certificate in force today for the same entity and standard over a "
    "facility of the audited scope, or none",
    "number_wanted": "the published number of an imported certificate, or none",
    "number_taken": "whether another certificate carries that number",
    "critical_breaches": "number of critical breaches",
    "majors": "number of major non-conformities",
    "majors_without_approved_plan": "number of those whose corrective action plan is not approved",
    "majors_plan_due_on": "the first day on which one of those plans is due, or none",
    "minors": "number of minor non-conformities",
    "minors_without_approved_plan": "number of those whose corrective action plan is not approved",
    "minors_plan_due_on": "the first day on which one of those plans is due, or none",
    "report_faults": "number of faults that the guards on the report found (known to rows)",
    "lapsed_at_issue": "whether the certificate would have expired before today (known to guards on issuing)",
}
"""Every fact that a rule set may name, and what it says."""
KNOWN_TO_ISSUE_GUARDS = frozenset(VOCABULARY)
KNOWN_TO_ROWS = KNOWN_TO_ISSUE_GUARDS - {"lapsed_at_issue"}
KNOWN_TO_REPORT_GUARDS = KNOWN_TO_ROWS - {"report_faults"}
"""The evaluator adds the last two on its way: the guards on the report come first, those on issuing last."""


class Kind(enum.Enum):
    """What a fact's value is: what it can be compared with follows from that."""

    COUNT = "count"
    TEXT = "text"
    TEXTS = "texts"
    TRUTH = "truth"
    DAY = "day"


KINDS = dict.fromkeys(VOCABULARY, Kind.TEXT) | {
    **dict.fromkeys(("today", "decision_on", "audited_until", "majors_plan_due_on", "minors_plan_due_on"), Kind.DAY),
    "certificate_expires_on": Kind.DAY,
    **dict.fromkeys(("imported", "decided_before_audit_ended", "accepted_by_audit_party"), Kind.TRUTH),
    **dict.fromkeys(("number_taken", "lapsed_at_issue"), Kind.TRUTH),
    **dict.fromkeys(("criteria_rated", "rating_disagreements", "team_size", "report_faults"), Kind.COUNT),
    **dict.fromkeys(("critical_breaches", "majors", "majors_without_approved_plan"), Kind.COUNT),
    **dict.fromkeys(("minors", "minors_without_approved_plan"), Kind.COUNT),
    "activities": Kind.TEXTS,
}
"""The kind of every fact. A day has none to be compared with: a row waits for it."""

DATE_FACTS = ("majors_plan_due_on", "minors_plan_due_on")


class Fact(NamedTuple):
    """A value, and the criteria that it was counted from."""

    value: Any
    findings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What certification knows around a case at the moment when it is looked at.

    `held` is the open certificate that the audit is about, which may have lapsed by date; `beside` another one over a
    facility of its scope.
    `has_other_cases` says whether the entity has another case, whatever its standard and state.
    """

    member: Member | None
    reviews: tuple[PlanReview, ...] = ()
    mandates: tuple[Mandate, ...] = ()
    held: Certificate | None = None
    beside: Certificate | None = None
    has_ps_certificate: bool = False
    number_taken: bool = False
    has_other_cases: bool = False


def gather(
    audit: Audit, around: Surroundings, *, member: Member, today: datetime.date, plan_due_days: int
) -> dict[str, Fact]:
    """All facts of `VOCABULARY` but the last two, which the evaluator adds."""
    on = audit.history.issued_on if audit.history else today
    held = _in_force(around.held, today)
    beside = _in_force(around.beside, today)
    plain = {
        "today": today,
        "decision_on": on,
        "imported": audit.history is not None,
        "audit_type": audit.audit_type.value,
        "audited_until": audit.audited_until,
        "decided_before_audit_ended": on < audit.audited_until,
        "standard": standard_name(audit.standard),
        "standard_code": audit.standard.code,
        "standard_window": _window(audit),
        "activities": list(audit.scope.activities),
        "criteria_rated": sum(audit.ratings.values()),
        "team_size": len(audit.team),
        "accepted_by": audit.accepted_by,
        "accepted_by_audit_party": took_part(audit, audit.accepted_by),
        "member_name": member.profile.legal_name,
        "member_class": member.profile.member_class or "unknown",
        "member_standing": _membership_status(member, on),
        "ps_certificate": "valid" if around.has_ps_certificate else "missing",
        "certificate_held": str(held.record.number) if held else "none",
        "certificate_state": held.state_on(today).value if held else "none",
        "certificate_level": held.record.level.value if held else "none",
        "certificate_expires_on": held.record.expires_on if held else None,
        "certificate_beside": str(beside.record.number) if beside else "none",
        "number_wanted": audit.history.number if audit.history and audit.history.number else "none",
        "number_taken": around.number_taken,
    }
    return {name: Fact(value) for name, value in plain.items()} | _findings(audit, around, plan_due_days)


def next_change_on(audit: Audit, member: Member, today: datetime.date) -> datetime.date | None:
    """The next day on which a guard may judge otherwise by the calendar alone, if there is one; imports have none."""
    if audit.history is not None:
        return None
    days = [day for day in (member.status.effective_on, audit.audited_until) if day > today]
    return min(days, default=None)


def _findings(audit: Audit, around: Surroundings, plan_due_days: int) -> dict[str, Fact]:
    found = with_reviews(audit, around.reviews)
    critical = of_rating(found, Rating.CRITICAL_BREACH)
    majors = of_rating(found, Rating.MAJOR_NONCONFORMITY)
    minors = of_rating(found, Rating.MINOR_NONCONFORMITY)
    counted = {Rating.CRITICAL_BREACH: critical, Rating.MAJOR_NONCONFORMITY: majors, Rating.MINOR_NONCONFORMITY: minors}
    disagreements = [r.value for r, listed in counted.items() if audit.ratings.get(r.value, 0) != len(listed)]
    return {
        "rating_disagreements": Fact(len(disagreements)),
        "critical_breaches": _count(critical),
        **_planned("majors", majors, audit, plan_due_days),
        **_planned("minors", minors, audit, plan_due_days),
    }


def _planned(name: str, found: list[Nonconformity], audit: Audit, plan_due_days: int) -> dict[str, Fact]:
    unapproved = [one for one in found if one.plan_state is not PlanState.APPROVED]
    default = audit.audited_until + datetime.timedelta(days=plan_due_days)
    due_on = min((one.plan_due_on or default for one in unapproved), default=None)
    return {
        name: _count(found),
        f"{name}_without_approved_plan": _count(unapproved),
        f"{name}_plan_due_on": Fact(due_on, _criteria(unapproved)),
    }


def _count(found: list[Nonconformity]) -> Fact:
    return Fact(len(found), _criteria(found))


def _criteria(found: list[Nonconformity]) -> tuple[str, ...]:
    return tuple(one.criterion for one in found)


def _window(audit: Audit) -> str:
    """On the audit's last day: when report, acceptance and decision follow changes nothing (ADR 35)."""
    on = audit.audited_until
    if on < audit.standard_open_from:
        return "not yet open"
    return "closed" if audit.standard_open_until and on > audit.standard_open_until else "open"


def _in_force(certificate: Certificate | None, today: datetime.date) -> Certificate | None:
    return certificate if certificate and not certificate.lapsed(today) else None


def _membership_status(member: Member, on: datetime.date) -> str:
    if member.status.good_on(on):
        return "active"
    return "not yet active" if member.status.good else "suspended"
