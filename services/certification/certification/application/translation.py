"""Translates what other services announce into certification's own words; pure."""

from certification.domain.audits import Audit, PlanReview
from certification.domain.members import Member, MembershipStatus, Profile
from touchstone_contracts.events.assessment import AuditAccepted, CorrectiveActionPlanReviewed
from touchstone_contracts.events.membership import (
    MembershipActivated,
    MembershipReinstated,
    MembershipSuspended,
    OrganisationRecorded,
)

MembershipEvent = MembershipActivated | MembershipSuspended | MembershipReinstated


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
        team_logins=event.team_logins,
        submitted_by=event.submitted_by,
        submitters=event.submitters,
        accepted_by=event.accepted_by,
        audited_until=event.audited_until,
        accepted_at=event.accepted_at,
        ratings=event.ratings,
        nonconformities=event.nonconformities,
        history=event.history,
        member=event.member,
    )


def member_of(event: OrganisationRecorded) -> Member | None:
    """None for an organisation that was entered and is no member yet."""
    if event.joined_on is None:
        return None
    good, since = event.state == "active", event.effective_on
    return Member(
        profile=Profile(member_id=event.member_id, legal_name=event.legal_name, member_class=event.member_class),
        status=MembershipStatus(member_id=event.member_id, good=good, effective_on=since),
    )


def profile_of(event: MembershipActivated) -> Profile:
    return Profile(member_id=event.member_id, legal_name=event.legal_name)


def membership_status_of(event: MembershipEvent) -> MembershipStatus:
    if isinstance(event, MembershipActivated):
        return MembershipStatus(member_id=event.member_id, good=True, effective_on=event.joined_on)
    good = isinstance(event, MembershipReinstated)
    return MembershipStatus(member_id=event.member_id, good=good, effective_on=event.effective_on)


def review_of(event: CorrectiveActionPlanReviewed) -> PlanReview:
    return PlanReview(
        audit_id=event.audit_id,
        criterion=event.criterion,
        plan_state=event.plan_state,
        plan_due_on=event.plan_due_on,
    )
