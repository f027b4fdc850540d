"""How certification reacts to what other services announce: it keeps what it needs and lets the rules speak; pure."""

import dataclasses
import datetime

from certification.domain.audit import Audit, PlanReview, decision_day
from certification.domain.facts import Surroundings, gather
from certification.domain.mandates import Authority, authority_for
from certification.domain.members import Member, Profile, Standing
from certification.domain.rules import Evaluation, RuleSet, evaluate
from touchstone_contracts.events.assessment import AuditAccepted, CorrectiveActionPlanReviewed
from touchstone_contracts.events.membership import MembershipActivated, MembershipReinstated, MembershipSuspended

StandingEvent = MembershipActivated | MembershipSuspended | MembershipReinstated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the rules make of an audit now, and who may turn it into a decision; nobody when `authority` is None."""

    evaluation: Evaluation
    authority: Authority | None
    member: Member


def weigh(
    audit: Audit, around: Surroundings, rules: RuleSet, *, today: datetime.date, person: str | None = None
) -> Verdict | None:
    """The verdict on an audit as things stand; None while its member has not arrived, which says nothing about it."""
    if around.member is None:
        return None
    due_days = rules.parameters["plan_due_days"]
    facts = gather(audit, around, member=around.member, today=today, plan_due_days=due_days)
    day = decision_day(audit, today)
    authority = authority_for(audit, rule_set=rules.number, day=day, mandates=around.mandates, person=person)
    return Verdict(evaluation=evaluate(rules, facts), authority=authority, member=around.member)


def audit_of(event: AuditAccepted) -> Audit:
    return Audit(
        audit_id=event.audit_id,
        report_id=event.report_id,
        report_hash=event.report_hash,
        audit_type=event.audit_type,
        standard=event.standard,
        standard_open_from=event.standard_open_from,
        standard_open_until=event.standard_open_until,
        member_id=event.member_id,
        entity=event.entity,
        scope=event.scope,
        body_id=event.body_id,
        body_name=event.body_name,
        team=event.team,
        submitted_by=event.submitted_by,
        accepted_by=event.accepted_by,
        audited_until=event.audited_until,
        accepted_at=event.accepted_at,
        ratings=event.ratings,
        nonconformities=event.nonconformities,
        history=event.history,
    )


def profile_of(event: MembershipActivated) -> Profile:
    return Profile(member_id=event.member_id, legal_name=event.legal_name)


def standing_of(event: StandingEvent) -> Standing:
    if isinstance(event, MembershipActivated):
        return Standing(member_id=event.member_id, good=True, effective_on=event.joined_on)
    good = isinstance(event, MembershipReinstated)
    return Standing(member_id=event.member_id, good=good, effective_on=event.effective_on)


def review_of(event: CorrectiveActionPlanReviewed) -> PlanReview:
    return PlanReview(
        audit_id=event.audit_id,
        criterion=event.criterion,
        plan_state=event.plan_state,
        plan_due_on=event.plan_due_on,
    )
