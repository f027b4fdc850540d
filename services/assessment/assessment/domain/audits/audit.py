"""An audit in the register: submitted, returned and submitted again, accepted; then its plans reviewed.

new --submit--> submitted --accept--> accepted --review_plan--> accepted
                submitted --return--> returned --submit--> submitted
new --admit (import)--> accepted
"""

import dataclasses
import datetime
import enum
from collections.abc import Sequence
from typing import Any

from assessment.domain.audits.reliance import Reliance
from assessment.domain.audits.report import Summary
from assessment.domain.corrective_actions import PLANNED, PlanReview
from assessment.domain.register import Member, Reference, Register
from touchstone_contracts.errors import (
    AlreadyExists,
    DecisionNotImpartial,
    FieldError,
    IllegalTransition,
    InvalidRequest,
)
from touchstone_contracts.events.assessment import (
    AuditAccepted,
    AuditReportReturned,
    AuditReportSubmitted,
    AuditReportWaiting,
    CorrectiveActionPlanReviewed,
)
from touchstone_contracts.values import (
    History,
    Nonconformity,
    PinnedMember,
    PlanState,
    Rating,
    ReliedOn,
    WaitsFor,
)

BY_CONFIGURATION = "configuration"
BY_IMPORT = "import"
TOLD_AFTER = datetime.timedelta(minutes=5)


class State(enum.Enum):
    """Where an audit's report stands."""

    SUBMITTED = "submitted"
    RETURNED = "returned"
    ACCEPTED = "accepted"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
    """One time that a report was handed in, and what became of it where it was returned."""

    report_hash: str
    submitted_by: str
    submitted_at: datetime.datetime
    returned_by: str | None = None
    returned_at: datetime.datetime | None = None
    reasons: tuple[str, ...] = ()


@dataclasses.dataclass
class Audit:
    """One audit, known by the body and the body's own reference. Commands change it and return its events.

    `nonconformities` starts as the report states it and follows the plan reviews; the report itself never changes.
    `standard_hash` is that of the standard as it was published, by which the report was accepted; 0.1 kept none.
    `waits_for`: what a submitted report names and is not known yet, looked up first at `asked_at`.
    """

    id: str
    summary: Summary
    nonconformities: tuple[Nonconformity, ...] = ()
    submissions: tuple[Submission, ...] = ()
    plan_reviews: tuple[PlanReview, ...] = ()
    state: State | None = None
    accepted_by: str | None = None
    accepted_at: datetime.datetime | None = None
    history: History | None = None
    standard_hash: str | None = None
    waits_for: tuple[WaitsFor, ...] = ()
    asked_at: datetime.datetime | None = None
    told_of_waiting: bool = False
    version: int = 0

    @property
    def latest(self) -> Submission:
        return self.submissions[-1]

    @property
    def is_overdue(self) -> bool:
        """Whether the report came later than it should have (a flag, no fault). An import came when it came."""
        return self.history is None and self.submissions[0].submitted_at.date() > self.summary.report_due_on

    def refuse_repetition(self, report_hash: str) -> None:
        """Raises AlreadyExists for the very report that is here already and was not returned."""
        if self.state in (State.SUBMITTED, State.ACCEPTED) and self.latest.report_hash == report_hash:
            raise AlreadyExists(f"This report is here already, as audit {self.id}, and is {self.state.value}.")

    def submit(
        self,
        summary: Summary,
        report_hash: str,
        *,
        by: str,
        at: datetime.datetime,
        missing: Sequence[Reference] = (),
        asked_at: datetime.datetime | None = None,
    ) -> list[Any]:
        """Take a checked report, a first time or after a return; `missing`: what it names and is not known yet."""
        self._take(summary, report_hash, by=by, at=at)
        self.state = State.SUBMITTED
        self.waits_for, self.asked_at, self.told_of_waiting = (
            tuple(_word_of(one, at) for one in missing),
            asked_at,
            False,
        )
        return [
            AuditReportSubmitted(
                audit_id=self.id,
                report_id=summary.report_id,
                body_id=summary.body_id,
                member_id=summary.member_id,
                entity=summary.entity,
                standard=summary.standard,
                audit_type=summary.audit_type,
                report_hash=report_hash,
                submitted_at=at,
                waits_for=list(self.waits_for),
            )
        ]

    def wait_on(self, *, at: datetime.datetime) -> list[Any]:
        """What it names is still not known: after five minutes, that is told once."""
        if self.told_of_waiting or at - self.latest.submitted_at < TOLD_AFTER:
            return []
        self.told_of_waiting = True
        return [self._waiting()]

    def wait_no_more(self) -> list[Any]:
        """What it names is known."""
        self.waits_for = ()
        return [self._waiting()]

    def refuse_acceptance(self, by: str) -> None:
        """Raises what keeps a person of the Secretariat from accepting: never the report's author, never the team."""
        self._expect("accept", State.SUBMITTED)
        if by in {submission.submitted_by for submission in self.submissions}:
            raise DecisionNotImpartial("Whoever submitted a report may not accept it.")
        if by in self.summary.team:
            raise DecisionNotImpartial("Whoever was on the audit team may not accept its report.")

    def accept(self, *, by: str, at: datetime.datetime, on: Reliance) -> list[Any]:
        """A person of the Secretariat accepts. Raises DecisionNotImpartial where that person was on the team, too."""
        self.refuse_acceptance(by)
        if by in on.team_logins:
            raise DecisionNotImpartial("Whoever was on the audit team may not accept its report, by whatever login.")
        return self._accepted(by, at, on)

    def accept_by_configuration(self, *, at: datetime.datetime, on: Reliance) -> list[Any]:
        """Accept because the standard's configuration says that a complete report needs nobody's look."""
        self._expect("accept", State.SUBMITTED)
        return self._accepted(BY_CONFIGURATION, at, on)

    def admit(
        self,
        summary: Summary,
        report_hash: str,
        history: History,
        *,
        by: str,
        at: datetime.datetime,
        on: Reliance,
    ) -> list[Any]:
        """Import what was accepted before this register kept records: accepted as of noon (UTC) of the day of issue."""
        if self.state is not None:
            raise IllegalTransition(f"Audit {self.id} is {self.state.value}: only a new one can be imported.")
        self._take(summary, report_hash, by=by, at=at)
        self.history = history
        noon = datetime.datetime.combine(history.issued_on, datetime.time(12), tzinfo=datetime.UTC)
        return self._accepted(BY_IMPORT, noon, dataclasses.replace(on, register=Register()))

    def return_to_body(self, reasons: tuple[str, ...], *, by: str, at: datetime.datetime) -> list[Any]:
        """Hand the report back for correction. It may come again under the same id."""
        self._expect("return", State.SUBMITTED)
        self.state, self.waits_for = State.RETURNED, ()
        returned = dataclasses.replace(self.latest, returned_by=by, returned_at=at, reasons=reasons)
        self.submissions = (*self.submissions[:-1], returned)
        return [
            AuditReportReturned(
                audit_id=self.id,
                report_id=self.summary.report_id,
                body_id=self.summary.body_id,
                member_id=self.summary.member_id,
                reasons=list(reasons),
                returned_at=at,
            )
        ]

    def review_plan(
        self,
        criterion: str,
        plan_state: PlanState,
        *,
        plan_due_on: datetime.date | None,
        by: str,
        at: datetime.datetime,
    ) -> list[Any]:
        """Approve or reject the plan for one non-conformity of an accepted report. An approved plan stays approved."""
        self._expect("review a plan of", State.ACCEPTED)
        found = next((n for n in self.nonconformities if n.criterion == criterion and n.rating in PLANNED), None)
        if found is None:
            raise _invalid("criterion", "no_plan_needed", "No minor or major non-conformity was found there.")
        if found.plan_state is PlanState.APPROVED:
            raise IllegalTransition(f"The plan for {criterion} is approved already.")
        if self.history is None and found.plan_due_on is not None and found.plan_due_on < at.date():
            message = f"The plan for {criterion} was due on {found.plan_due_on}: the audit is decided without it."
            raise IllegalTransition(message)
        if plan_due_on is not None:
            self._refuse_due_day(found, plan_due_on, at.date())
        due_on = plan_due_on or found.plan_due_on
        reviewed = dataclasses.replace(found, plan_state=plan_state, plan_due_on=due_on)
        self.nonconformities = tuple(reviewed if n is found else n for n in self.nonconformities)
        review = PlanReview(
            criterion=criterion, plan_state=plan_state, plan_due_on=due_on, reviewed_by=by, reviewed_at=at
        )
        self.plan_reviews = (*self.plan_reviews, review)
        return [
            CorrectiveActionPlanReviewed(
                audit_id=self.id, criterion=criterion, plan_state=plan_state, plan_due_on=due_on, reviewed_at=at
            )
        ]

    def _refuse_due_day(self, found: Nonconformity, due_on: datetime.date, today: datetime.date) -> None:
        """A day that has passed, lies before the audit's end, or beyond the one by which a major's plan is due."""
        if due_on < self.summary.audited_until:
            raise _invalid("plan_due_on", "date_order", "A plan cannot be due before the audit's last day.")
        if self.history is None and due_on < today:
            raise _invalid("plan_due_on", "date_passed", f"{due_on} has passed.")
        latest = found.plan_due_on
        if found.rating is Rating.MAJOR_NONCONFORMITY and latest is not None and due_on > latest:
            raise _invalid("plan_due_on", "due_too_late", f"The plan for a major is due on {latest} at the latest.")

    def _take(self, summary: Summary, report_hash: str, *, by: str, at: datetime.datetime) -> None:
        self.refuse_repetition(report_hash)
        if self.state not in (None, State.RETURNED):
            raise IllegalTransition(f"Audit {self.id} is {self.state.value}: another report for it is not taken.")
        self.summary = summary
        self.nonconformities = summary.nonconformities
        submission = Submission(report_hash=report_hash, submitted_by=by, submitted_at=at)
        self.submissions = (*self.submissions, submission)

    def _waiting(self) -> AuditReportWaiting:
        summary = self.summary
        return AuditReportWaiting(
            audit_id=self.id,
            report_id=summary.report_id,
            body_id=summary.body_id,
            member_id=summary.member_id,
            waits_for=list(self.waits_for),
        )

    def _expect(self, command: str, state: State) -> None:
        if self.state is not state:
            now = self.state.value if self.state else "new"
            raise IllegalTransition(f"Cannot {command} audit {self.id} while it is {now}.")

    def _accepted(self, by: str, at: datetime.datetime, on: Reliance) -> list[Any]:
        self.state, self.accepted_by, self.accepted_at = State.ACCEPTED, by, at
        self.standard_hash, self.waits_for = on.standard.hash, ()
        summary = self.summary
        return [
            AuditAccepted(
                audit_id=self.id,
                report_id=summary.report_id,
                report_hash=self.latest.report_hash,
                audit_type=summary.audit_type,
                standard=summary.standard,
                standard_open_from=on.standard.certifiable_from,
                standard_open_until=on.standard.new_certificates_until,
                member_id=summary.member_id,
                entity=summary.entity,
                scope=summary.scope,
                body_id=summary.body_id,
                body_name=on.body.name,
                member=_pinned_member(on.register.members.get(summary.member_id)),
                relied_on=_relied_on(on),
                standard_hash=on.standard.hash,
                team=list(summary.team),
                team_logins=sorted(on.team_logins),
                submitted_by=self.latest.submitted_by,
                submitters=sorted({submission.submitted_by for submission in self.submissions}),
                accepted_by=by,
                audited_from=summary.audited_from,
                audited_until=summary.audited_until,
                submitted_at=self.latest.submitted_at,
                accepted_at=at,
                ratings=summary.ratings,
                nonconformities=list(self.nonconformities),
                history=self.history,
            )
        ]


def _word_of(missing: Reference, since: datetime.datetime) -> WaitsFor:
    what = f"{missing.kind} {missing.id} is not known yet"
    return WaitsFor(what=what, who="membership", since=since, target=missing.path)


def _pinned_member(member: Member | None) -> PinnedMember | None:
    if member is None:
        return None
    return PinnedMember(
        legal_name=member.legal_name,
        member_class=member.member_class,
        state=member.state,
        effective_on=member.effective_on,
        sequence=member.sequence,
    )


def _relied_on(on: Reliance) -> list[ReliedOn]:
    """With the sequence of each fact that was looked at, beside the member's."""
    entities, facilities = sorted(on.register.entities.items()), sorted(on.register.facilities.items())
    pinned = [
        *(ReliedOn(kind="entity", id=id, sequence=entity.sequence) for id, entity in entities),
        *(ReliedOn(kind="facility", id=id, sequence=facility.sequence) for id, facility in facilities),
    ]
    return [ReliedOn(kind="body", id=on.body.id, sequence=on.body.version), *pinned]


def audit_id_of(body_id: str, report_id: str) -> str:
    """A body's second submission of the same report meets the first."""
    return f"{body_id}.{report_id}".lower()


def _invalid(path: str, code: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, [FieldError(path, code, message)])
