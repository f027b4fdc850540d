"""Cases: one for each accepted audit, from its arrival to its one decision."""

import dataclasses
import datetime
import enum
from typing import Any

from certification.domain.audits import Audit, notifies
from certification.domain.certificates.record import CertificateRecord
from certification.domain.mandates import Authority
from certification.domain.rules.evaluator import Evaluation
from certification.domain.rules.rule_set import Outcome
from touchstone_contracts.errors import IllegalTransition
from touchstone_contracts.events.certification import CaseRecorded, CertificationHeld, CertificationRefused
from touchstone_contracts.values import Reason


class CaseState(enum.Enum):
    """AWAITING_MEMBER: the member has not arrived yet. AWAITING_DECISION: the rules have spoken, a person has not.

    HELD: something is missing. DECIDED: there is a decision, and there will be no other.
    """

    AWAITING_MEMBER = "awaiting_member"
    AWAITING_DECISION = "awaiting_decision"
    HELD = "held"
    DECIDED = "decided"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """The one decision on an audit. `on` is its date; `at` the moment when it was recorded."""

    outcome: Outcome
    row: str
    on: datetime.date
    at: datetime.datetime
    by: Authority
    reasons: tuple[Reason, ...]
    certificate_number: int | None = None


@dataclasses.dataclass(kw_only=True)
class Case:
    """The certification case of one audit; `id` is the audit's id. `since`: when it came into its state.

    `correlation_id` is that of the message that brought the audit: what comes of the case later carries it too.
    `evaluation` is what the rules last made of it, with the trace; `member_name` is known once the member arrived.
    `first_of_entity`: it was opened when its entity had no other case; the database keeps a second such case out.
    """

    id: str
    audit: Audit
    state: CaseState
    since: datetime.datetime
    opened_at: datetime.datetime
    correlation_id: str
    member_name: str | None = None
    evaluation: Evaluation | None = None
    decision: Decision | None = None
    first_of_entity: bool = False
    version: int = 0

    @property
    def opened_alone(self) -> bool:
        """Whether it is not stored yet, and will only be while its entity has no other case."""
        return self.first_of_entity and self.version == 0

    def await_decision(self, evaluation: Evaluation, *, member_name: str, now: datetime.datetime) -> None:
        """The rules give a decision that nobody with authority has taken yet."""
        self._wait(CaseState.AWAITING_DECISION, evaluation, member_name, now)

    def hold(self, evaluation: Evaluation, *, member_name: str, now: datetime.datetime) -> list[Any]:
        """Something is missing: told once, and again when the reasons change."""
        if not self._wait(CaseState.HELD, evaluation, member_name, now):
            return []
        held = CertificationHeld(
            **self._subject(), reasons=list(evaluation.reasons), until=evaluation.until, notify=notifies(self.audit)
        )
        return [held]

    def refuse(self, evaluation: Evaluation, by: Authority, *, member_name: str, now: datetime.datetime) -> list[Any]:
        """Certification is refused, with the reasons that the rules give."""
        self._decide(evaluation, by, member_name, now)
        refused = CertificationRefused(
            **self._subject(),
            reasons=list(evaluation.reasons),
            decided_on=evaluation.on,
            decided_by=by.name,
            notify=notifies(self.audit),
        )
        return [refused]

    def certify(
        self, evaluation: Evaluation, by: Authority, *, member_name: str, number: int, now: datetime.datetime
    ) -> CertificateRecord:
        """The audit leads to a certificate: the record that is to be issued. The certificate announces it."""
        level = evaluation.outcome.level
        if level is None or evaluation.expires_on is None or evaluation.rule_set is None:
            raise IllegalTransition(f"Row {evaluation.row} issues no certificate for {self.id}.")
        self._decide(evaluation, by, member_name, now, number)
        audit, history = self.audit, self.audit.history
        return CertificateRecord(
            number=number,
            level=level,
            standard=audit.standard,
            member_id=audit.member_id,
            member_name=member_name,
            entity=audit.entity,
            body_id=audit.body_id,
            body_name=audit.body_name,
            scope=audit.scope,
            audit_id=audit.audit_id,
            issued_on=evaluation.on,
            expires_on=evaluation.expires_on,
            certified_since=(history.certified_since if history else None) or evaluation.on,
            rule_set=evaluation.rule_set,
            row=evaluation.row,
            decided_by=by.name,
            decided_at=now,
            notify=notifies(audit),
            source=history.source if history else None,
        )

    def conclude(
        self, evaluation: Evaluation, by: Authority, *, member_name: str, number: int, now: datetime.datetime
    ) -> None:
        """The audit changes certificate `number`, or lets it go on. The certificate announces what comes of it."""
        self._decide(evaluation, by, member_name, now, number)

    def recorded(self) -> CaseRecorded:
        """The case as it is now. What the audit found stays with assessment."""
        evaluation, decision = self.evaluation, self.decision
        return CaseRecorded(
            **self._subject(),
            state=self.state.value,
            since=self.since,
            opened_at=self.opened_at,
            scope=self.audit.scope,
            reasons=list(evaluation.reasons) if evaluation else [],
            until=evaluation.until if evaluation else None,
            rule_set=evaluation.rule_set if evaluation else None,
            row=evaluation.row if evaluation else None,
            outcome=decision.outcome.value if decision else None,
            decided_on=decision.on if decision else None,
            decided_at=decision.at if decision else None,
            decided_by=decision.by.name if decision else None,
            certificate_number=decision.certificate_number if decision else None,
        )

    def _wait(self, state: CaseState, evaluation: Evaluation, member_name: str, now: datetime.datetime) -> bool:
        """Take the evaluation, unless the last one says the same by the same rules. Says whether it says otherwise."""
        self._must_be_open()
        before = self.evaluation if self.state is state else None
        same = before is not None and (before.reasons, before.until) == (evaluation.reasons, evaluation.until)
        if before is not None and same and before.rule_set == evaluation.rule_set:
            return False
        if self.state is not state:
            self.since = now
        self.state, self.evaluation, self.member_name = state, evaluation, member_name
        return not same

    def _decide(
        self,
        evaluation: Evaluation,
        by: Authority,
        member_name: str,
        now: datetime.datetime,
        number: int | None = None,
    ) -> None:
        self._must_be_open()
        self.decision = Decision(
            outcome=evaluation.outcome,
            row=evaluation.row,
            on=evaluation.on,
            at=now,
            by=by,
            reasons=evaluation.reasons,
            certificate_number=number,
        )
        self.state, self.since = CaseState.DECIDED, now
        self.evaluation, self.member_name = evaluation, member_name

    def _must_be_open(self) -> None:
        if self.state is CaseState.DECIDED:
            raise IllegalTransition(f"Case {self.id} is decided; an audit is decided once.")

    def _subject(self) -> dict[str, Any]:
        audit = self.audit
        return {
            "case_id": self.id,
            "audit_id": audit.audit_id,
            "standard": audit.standard,
            "member_id": audit.member_id,
            "member_name": self.member_name,
            "entity": audit.entity,
            "body_id": audit.body_id,
            "body_name": audit.body_name,
        }


def open_case(audit: Audit, *, correlation_id: str, now: datetime.datetime) -> Case:
    """A new case. Until its member is known it waits: absence is never a refusal."""
    return Case(
        id=audit.audit_id,
        audit=audit,
        state=CaseState.AWAITING_MEMBER,
        since=now,
        opened_at=now,
        correlation_id=correlation_id,
    )
