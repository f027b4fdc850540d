"""Deals with a case: looks up what is known around it, lets the rules speak, and saves what comes of it."""

import dataclasses
import datetime
from typing import Any

from certification.application.change_certificate import CertificateChange
from certification.application.issue_certificate import PERFORMANCE_STANDARD, CertificateIssue
from certification.domain.audits import Audit, decision_day, took_part
from certification.domain.cases.case import Case, CaseState, open_case
from certification.domain.cases.verdict import Verdict, weigh
from certification.domain.certificates.concerned import concerned
from certification.domain.mandates import Authority, Decider, Mandate
from certification.domain.members import member_for
from certification.domain.rules.evaluator import without_rules
from certification.domain.rules.facts import Surroundings, next_change_on
from certification.domain.rules.rule_set import Outcome, RuleSet
from certification.storage.cases import Cases
from certification.storage.certificates import Certificates
from certification.storage.jobs import Jobs
from certification.storage.mandates import MandateCache, Mandates
from certification.storage.members import Members
from certification.storage.plan_reviews import PlanReviews
from certification.storage.rule_sets import RuleSetCache, RuleSets
from touchstone_contracts.errors import DecisionNotImpartial, IllegalTransition, NotFound
from touchstone_contracts.values import AuditType, Reason

BY_PERSON = "person"
"""Stands for the row of a decision that a person took beside the rules."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """From which number on, and when a case is dealt with; and the mandates and rule sets that are known already."""

    first_number: int
    now: datetime.datetime
    mandate_cache: MandateCache
    rule_set_cache: RuleSetCache

    @property
    def today(self) -> datetime.date:
        return self.now.date()


class CaseDecision:
    """One unit of work's view of the cases.

    A case that has to wait is looked at once more right after it was saved: what it waits for may have been committed
    between our reading and our saving, by somebody who could not see the case yet. What ends a wait schedules WAKE in
    its own commit, without asking first who waits: WAKE runs after that commit, and finds every case that was saved
    before it looks; the second look of one that is saved later finds what was committed.

    The first case of an entity, certified in the commit that opens it, has nobody to wake and schedules nothing. That
    nobody else came meanwhile is certain: of two cases that were both opened as the first, a unique index lets one
    commit, and the other is dealt with again.
    """

    def __init__(self, unit: Any):
        self._opened: set[str] = set()
        self._unit = unit
        self._cases, self._certificates, self._mandates = Cases(unit), Certificates(unit), Mandates(unit)
        self._members, self._reviews, self._rule_sets = Members(unit), PlanReviews(unit), RuleSets(unit)
        self._jobs = Jobs(unit)
        self._certificate_issue, self._certificate_change = CertificateIssue(unit), CertificateChange(unit)

    def open(self, audit: Audit, correlation_id: str, terms: Terms) -> None:
        """A case for an accepted audit, decided at once where that can be. An audit that has its case keeps it.

        Repeated messages are known before they come here, so it is taken to be new. If it is not, saving it clashes,
        the handler runs again with this object, and then the case is looked for.
        """
        if audit.audit_id in self._opened and self._cases.get(audit.audit_id) is not None:
            return
        self._opened.add(audit.audit_id)
        self._deal_with(open_case(audit, correlation_id=correlation_id, now=terms.now), terms)

    def look_again(self, case_id: str, terms: Terms) -> None:
        """Deal with a case that waits, if there is one. Nothing happens to a decided case."""
        case = self._cases.get(case_id)
        if case is not None and case.state is not CaseState.DECIDED:
            self._deal_with(case, terms)

    def decide(self, case_id: str, person: str, terms: Terms) -> Case:
        """The person decides the case by the rules. Raises NotFound, DecisionNotImpartial or IllegalTransition."""
        case = self._open_to(case_id, person)
        self._deal_with(case, terms, person=person)
        if case.decision is None:
            raise IllegalTransition(_why_not(case))
        return case

    def refuse(self, case_id: str, person: str, reason: str, terms: Terms) -> Case:
        """The person refuses certification, whatever the case waits for. Raises as `decide` does."""
        case = self._open_to(case_id, person)
        told = Reason(rule=BY_PERSON, code="refused_by_person", text=reason)
        base = case.evaluation or without_rules(decision_day(case.audit, terms.today))
        refusal = dataclasses.replace(
            base,
            on=decision_day(case.audit, terms.today),
            outcome=Outcome.REFUSED,
            row=BY_PERSON,
            reasons=(told,),
            expires_on=None,
            until=None,
        )
        name = case.member_name or (case.audit.member.legal_name if case.audit.member else case.audit.member_id)
        authority = Authority(kind=Decider.PERSON, id=person, name=person)
        self._cases.save(case, case.refuse(refusal, authority, member_name=name, now=terms.now))
        self._jobs.forget_hold(case)
        return case

    def _open_to(self, case_id: str, person: str) -> Case:
        case = self._cases.get(case_id)
        if case is None:
            raise NotFound(f"There is no case {case_id}.")
        if took_part(case.audit, person):
            raise DecisionNotImpartial(f"{person} took part in the audit of {case_id} or wrote its report.")
        if case.state is CaseState.DECIDED:
            raise IllegalTransition(f"Case {case_id} is decided; an audit is decided once.")
        return case

    def _deal_with(self, case: Case, terms: Terms, *, person: str | None = None) -> None:
        now, was_held = terms.now, case.state is CaseState.HELD
        self._unit.read_ahead(
            RuleSets.query_editions(),
            *Members.queries_of(case.audit.member_id),
            Cases.query_others(case),
            Certificates.query_counter(),
            *terms.mandate_cache.questions(case.audit),
        )
        rules = self._rule_sets.in_force(decision_day(case.audit, terms.today), terms.rule_set_cache)
        around = self._look_around(case, terms, rules)
        if case.version == 0:
            case.first_of_entity = not around.has_other_cases
        verdict = weigh(case.audit, around, rules, today=terms.today, person=person)
        if verdict is None:
            self._save_waiting(case, [], now, changed=case.version == 0)
            return
        evaluation, name = verdict.evaluation, verdict.member.profile.legal_name
        if evaluation.outcome is Outcome.HELD:
            held = case.hold(evaluation, member_name=name, now=now)
            self._save_waiting(case, held, now, changed=case.evaluation is evaluation)
            self._schedule_hold(case, _next_look_on(case.audit, verdict, terms.today))
            return
        if verdict.authority is None:
            case.await_decision(evaluation, member_name=name, now=now)
            self._save_waiting(case, [], now, changed=case.evaluation is evaluation)
            return
        if evaluation.outcome is Outcome.REFUSED:
            self._cases.save(case, case.refuse(evaluation, verdict.authority, member_name=name, now=now))
        elif around.held is not None and case.audit.audit_type is not AuditType.INITIAL:
            self._certificate_change.change(case, verdict, around.held, now=now)
        else:
            self._certificate_issue.issue(case, verdict, around.held, first_number=terms.first_number, now=now)
        if was_held:
            self._jobs.forget_hold(case)

    def _look_around(self, case: Case, terms: Terms, rules: RuleSet | None) -> Surroundings:
        audit = case.audit
        member = member_for(audit.member_id, audit.member, self._members.get(audit.member_id))
        if member is None:
            return Surroundings(member=None, has_other_cases=self._cases.has_others(case))
        day = decision_day(audit, terms.today)
        published = audit.history.number if audit.history else None
        taken = self._certificates.by_number(published) if published is not None else None
        around = Surroundings(
            member=member,
            reviews=self._reviews.of_audit(audit.audit_id) if audit.nonconformities else (),
            mandates=() if audit.history or rules is None else self._mandates_for(audit, terms, rules, day),
            number_taken=taken is not None,
        )
        # A certificate is entered with the decision of a case: where its entity has no other case, it has none yet.
        return self._with_certificates(around, audit, day) if self._cases.has_others(case) else around

    def _with_certificates(self, around: Surroundings, audit: Audit, day: datetime.date) -> Surroundings:
        about = concerned(audit, self._certificates.open_ones(audit.entity.id, audit.standard.code))
        needs_ps = audit.standard.code != PERFORMANCE_STANDARD
        return dataclasses.replace(
            around,
            held=about.held,
            beside=about.beside,
            has_ps_certificate=needs_ps and self._certificates.has_valid(audit.entity.id, PERFORMANCE_STANDARD, day),
            has_other_cases=True,
        )

    def _mandates_for(self, audit: Audit, terms: Terms, rules: RuleSet, day: datetime.date) -> tuple[Mandate, ...]:
        return terms.mandate_cache.unexpired(audit, rule_set=rules.number, day=day, mandates=self._mandates)

    def _save_waiting(self, case: Case, events: list[Any], now: datetime.datetime, *, changed: bool) -> None:
        if changed:
            self._cases.save(case, events)
            self._jobs.review(case.id, case.correlation_id, at=now)

    def _schedule_hold(self, case: Case, resume_on: datetime.date | None) -> None:
        until = case.evaluation.until if case.evaluation else None
        if until is not None:
            self._jobs.end_hold(case, until=until)
        if resume_on is not None:
            self._jobs.resume(case, on=resume_on)


def _next_look_on(audit: Audit, verdict: Verdict, today: datetime.date) -> datetime.date | None:
    """Tomorrow, where there were no rules: what ships with a release is published without waking anybody."""
    if verdict.evaluation.rule_set is None and audit.history is None:
        return today + datetime.timedelta(days=1)
    return next_change_on(audit, verdict.member, today)


def _why_not(case: Case) -> str:
    if case.state is CaseState.AWAITING_MEMBER:
        return f"Case {case.id} waits for its member, of whom nothing is known yet."
    reasons = " ".join(reason.text for reason in case.evaluation.reasons) if case.evaluation else ""
    return f"Case {case.id} is held: {reasons}"
