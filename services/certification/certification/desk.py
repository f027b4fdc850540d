"""The desk where cases are dealt with: looks up what is known, lets the rules speak, and saves what comes of it."""

import dataclasses
import datetime
from typing import Any

from certification import process
from certification.domain.audit import Audit, PlanReview, decision_day, took_part
from certification.domain.cases import Case, CaseState, open_case
from certification.domain.certificates import Certificate, issue
from certification.domain.facts import Surroundings, next_change_on
from certification.domain.mandates import Mandate
from certification.domain.members import Profile, Standing
from certification.domain.rules import Outcome, RuleSet
from certification.known_mandates import KnownMandates
from certification.store import Cases, Certificates, Mandates, Members, PlanReviews
from touchstone_contracts.errors import AlreadyExists, DecisionNotImpartial, IllegalTransition, NotFound

PERFORMANCE_STANDARD = "PS"
WOKEN_AT_ONCE_MAX = 100

REVIEW, RESUME, PLAN_DUE, EXPIRY, WAKE = "case_review", "case_resume", "plan_due", "certificate_expiry", "wake_cases"
"""Kinds of deadlines: look at a case now; look at it on the day when the calendar changes something; its plan's due
date has passed; a certificate's last day has passed; look at all cases that waited for the same thing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """By which rules, from which number on, and when a case is dealt with; and the mandates that are known already."""

    rules: RuleSet
    first_number: int
    now: datetime.datetime
    known_mandates: KnownMandates

    @property
    def today(self) -> datetime.date:
        return self.now.date()


class Desk:
    """One unit of work's view of cases and register.

    A case that has to wait is looked at once more right after it was saved: what it waits for may have been committed
    between our reading and our saving, by somebody who could not see the case yet. What ends a wait schedules WAKE in
    its own commit, without asking first who waits: WAKE runs after that commit, and finds every case that was saved
    before it looks; the second look of one that is saved later finds what was committed.

    The first case of an entity, certified in the commit that opens it, has nobody to wake and schedules nothing. That
    nobody else came meanwhile is certain: of two cases that were both opened as the first, a unique index lets one
    commit, and the other is dealt with again.
    """

    def __init__(self, unit: Any):
        self._unit = unit
        self._opened: set[str] = set()
        self.cases, self.certificates = Cases(unit), Certificates(unit)
        self.members, self.reviews, self.mandates = Members(unit), PlanReviews(unit), Mandates(unit)

    def open(self, audit: Audit, correlation_id: str, terms: Terms) -> None:
        """A case for an accepted audit, decided at once where that can be. An audit that has its case keeps it.

        Repeated messages are known before they come here, so it is taken to be new. If it is not, saving it clashes,
        the handler runs again with this desk, and then the case is looked for.
        """
        if audit.audit_id in self._opened and self.cases.get(audit.audit_id) is not None:
            return
        self._opened.add(audit.audit_id)
        self._deal_with(open_case(audit, correlation_id=correlation_id, now=terms.now), terms)

    def look_again(self, case_id: str, terms: Terms) -> None:
        """Deal with a case that waits, if there is one. Nothing happens to a decided case."""
        case = self.cases.get(case_id)
        if case is not None and case.state is not CaseState.DECIDED:
            self._deal_with(case, terms)

    def decide(self, case_id: str, person: str, terms: Terms) -> Case:
        """The person decides the case by the rules. Raises NotFound, DecisionNotImpartial or IllegalTransition."""
        case = self.cases.get(case_id)
        if case is None:
            raise NotFound(f"There is no case {case_id}.")
        if took_part(case.audit, person):
            raise DecisionNotImpartial(f"{person} took part in the audit of {case_id} or wrote its report.")
        if case.state is CaseState.DECIDED:
            raise IllegalTransition(f"Case {case_id} is decided; an audit is decided once.")
        self._deal_with(case, terms, person=person)
        if case.decision is None:
            raise IllegalTransition(_why_not(case))
        return case

    def keep_activation(self, profile: Profile, standing: Standing, sequence: int, *, now: datetime.datetime) -> None:
        self.members.keep_activation(profile, standing, sequence)
        self._wake({"member_id": standing.member_id}, at=now)

    def keep_standing(self, standing: Standing, sequence: int, *, now: datetime.datetime) -> None:
        self.members.keep_standing(standing, sequence)
        self._wake({"member_id": standing.member_id}, at=now)

    def keep_review(self, review: PlanReview, sequence: int, correlation_id: str, *, now: datetime.datetime) -> None:
        self.reviews.keep(review, sequence)
        self._schedule(REVIEW, review.audit_id, correlation_id, now)

    def add_mandate(self, mandate: Mandate, *, now: datetime.datetime) -> None:
        """Keep a signed mandate; the cases that it covers are decided as soon as it is valid. Raises AlreadyExists."""
        if self.mandates.get(mandate.id) is not None:
            raise AlreadyExists(f"There is a mandate {mandate.id} already.")
        self.mandates.add(mandate)
        begins_at = max(now, _midnight(mandate.valid_from))
        for standard in mandate.standards:  # each mandate's own deadline: they begin on different days
            wake = {"cases": {"standard": standard}, "after": ""}
            self._unit.schedule(WAKE, f"mandate/{mandate.id}/{standard}", begins_at, wake)

    def wake(self, cases: dict[str, str], *, after: str, now: datetime.datetime) -> None:
        """Have the undecided cases that match looked at, each in a commit of its own; page by page."""
        found = self.cases.waiting(cases, after=after, limit=WOKEN_AT_ONCE_MAX)
        for case_id, correlation_id in found:
            self._schedule(REVIEW, case_id, correlation_id, now)
        if len(found) == WOKEN_AT_ONCE_MAX:
            self._wake(cases, at=now, after=found[-1][0])

    def expire(self, certificate_id: str, correlation_id: str, *, now: datetime.datetime) -> None:
        """Close a certificate whose last day has passed, and look at the cases that its validity held up."""
        certificate = self.certificates.by_id(certificate_id)
        if certificate is None or certificate.expiry_announced:
            return
        events = certificate.expire(now.date())
        if events:
            self.certificates.save(certificate, events)
            self._wake({"entity_id": certificate.record.entity.id}, at=now)
        else:  # the clock of a sandbox was set back
            self._schedule(EXPIRY, certificate.id, correlation_id, expiry_due(certificate))

    def _deal_with(self, case: Case, terms: Terms, *, person: str | None = None) -> None:
        now, was_held = terms.now, case.state is CaseState.HELD
        around = self._look_around(case, terms)
        if case.version == 0:
            case.first_of_entity = not around.has_other_cases
        verdict = process.weigh(case.audit, around, terms.rules, today=terms.today, person=person)
        if verdict is None:
            self._save_waiting(case, [], now, changed=case.version == 0)
            return
        evaluation, name = verdict.evaluation, verdict.member.profile.legal_name
        if evaluation.outcome is Outcome.HELD:
            held = case.hold(evaluation, member_name=name, now=now)
            self._save_waiting(case, held, now, changed=bool(held))
            self._schedule_hold(case, next_change_on(case.audit, verdict.member, terms.today))
            return
        if verdict.authority is None:
            changed = case.await_decision(evaluation, member_name=name, now=now)
            self._save_waiting(case, [], now, changed=changed)
            return
        if evaluation.outcome is Outcome.REFUSED:
            self.cases.save(case, case.refuse(evaluation, verdict.authority, member_name=name, now=now))
        else:
            self._certify(case, verdict, around, terms)
        if was_held:
            self._unit.unschedule(PLAN_DUE, case.id)

    def _look_around(self, case: Case, terms: Terms) -> Surroundings:
        audit = case.audit
        member = self.members.get(audit.member_id)
        if member is None:
            return Surroundings(member=None, has_other_cases=self.cases.has_others(case))
        day = decision_day(audit, terms.today)
        published = audit.history.number if audit.history else None
        taken = self.certificates.by_number(published) if published is not None else None
        around = Surroundings(
            member=member,
            reviews=self.reviews.of_audit(audit.audit_id) if audit.nonconformities else (),
            mandates=() if audit.history else self._mandates(audit, terms, day),
            number_taken=taken is not None,
        )
        # A certificate is entered with the decision of a case: where its entity has no other case, it has none yet.
        return self._with_certificates(around, audit, day) if self.cases.has_others(case) else around

    def _with_certificates(self, around: Surroundings, audit: Audit, day: datetime.date) -> Surroundings:
        needs_ps = audit.standard.code != PERFORMANCE_STANDARD
        return dataclasses.replace(
            around,
            held=self.certificates.held(audit.entity.id, audit.standard.code, audit.scope),
            has_ps_certificate=needs_ps and self.certificates.has_valid(audit.entity.id, PERFORMANCE_STANDARD, day),
            has_other_cases=True,
        )

    def _mandates(self, audit: Audit, terms: Terms, day: datetime.date) -> tuple[Mandate, ...]:
        known, rule_set = terms.known_mandates, terms.rules.number
        if fitting := known.giving_authority(audit, rule_set=rule_set, day=day):
            return fitting
        read = self.mandates.unexpired(audit, rule_set=rule_set, day=day)
        known.remember(audit, rule_set, read)
        return read

    def _certify(self, case: Case, verdict: process.Verdict, around: Surroundings, terms: Terms) -> None:
        """Write down what is to be issued, issue it, verify that it is what was planned, store, announce."""
        assert verdict.authority is not None
        planned = case.certify(
            verdict.evaluation,
            verdict.authority,
            member_name=verdict.member.profile.legal_name,
            number=self._number(case.audit, terms.first_number),
            now=terms.now,
        )
        certificate, announced = issue(planned, today=terms.today)
        alone = case.opened_alone
        # First of all the case: a second message about the same audit meets it, and not the register's indexes.
        self.cases.save(case, [])
        if around.held is not None and certificate.open:
            self.certificates.save(around.held, around.held.expire(terms.today))
        self.certificates.enter(certificate, planned, announced)
        self._schedule(EXPIRY, certificate.id, case.correlation_id, expiry_due(certificate))
        if planned.standard.code == PERFORMANCE_STANDARD and not alone:
            self._wake({"entity_id": planned.entity.id}, at=terms.now)

    def _number(self, audit: Audit, first: int) -> int:
        if audit.history and audit.history.number is not None:
            self.certificates.reserve_number(audit.history.number, first=first)
            return audit.history.number
        return self.certificates.next_number(first=first)

    def _save_waiting(self, case: Case, events: list[Any], now: datetime.datetime, *, changed: bool) -> None:
        if changed:
            self.cases.save(case, events)
            self._schedule(REVIEW, case.id, case.correlation_id, now)

    def _schedule_hold(self, case: Case, resume_on: datetime.date | None) -> None:
        until = case.evaluation.until if case.evaluation else None
        if until is not None:
            self._schedule(PLAN_DUE, case.id, case.correlation_id, hold_ends(until))
        if resume_on is not None:
            self._schedule(RESUME, case.id, case.correlation_id, _midnight(resume_on))

    def _schedule(self, kind: str, key: str, correlation_id: str, due_at: datetime.datetime) -> None:
        self._unit.schedule(kind, key, due_at, {"correlation_id": correlation_id})

    def _wake(self, cases: dict[str, str], *, at: datetime.datetime, after: str = "") -> None:
        ((name, wanted),) = cases.items()
        self._unit.schedule(WAKE, f"{name}/{wanted}/{after}", at, {"cases": cases, "after": after})


def expiry_due(certificate: Certificate) -> datetime.datetime:
    """When the end of a certificate is to be announced: its last day is over."""
    return _after(certificate.record.expires_on)


def hold_ends(until: datetime.date) -> datetime.datetime:
    """When a case that is held until a day is looked at again: that day is over."""
    return _after(until)


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), tzinfo=datetime.UTC)


def _after(last_day: datetime.date) -> datetime.datetime:
    return _midnight(last_day + datetime.timedelta(days=1))


def _why_not(case: Case) -> str:
    if case.state is CaseState.AWAITING_MEMBER:
        return f"Case {case.id} waits for its member, of whom nothing is known yet."
    reasons = " ".join(reason.text for reason in case.evaluation.reasons) if case.evaluation else ""
    return f"Case {case.id} is held: {reasons}"
