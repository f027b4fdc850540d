"""What is not finished here, for whoever follows a case."""

from typing import Any

from certification.domain.cases.case import Case, CaseState
from certification.domain.mandates import Mandate, next_in_force
from certification.presenters.pending_work import pending_work_of
from certification.storage.cases import Cases
from certification.storage.certificates import Certificates
from certification.storage.jobs import EXPIRY, PLAN_DUE, RESUME, REVIEW
from certification.storage.mandates import Mandates
from touchstone_chassis.api import Stored, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.pending_work import ListUnfinished, Waiting
from touchstone_contracts.roles import FOLLOWERS

MEMBERSHIP = "membership"


class PendingWorkEntrypoints:
    clock: Any
    event_history: Any
    heartbeats: Any
    cases = Stored(Cases)
    certificates = Stored(Certificates)
    mandates = Stored(Mandates)

    @query(ListUnfinished(), roles=FOLLOWERS)
    def list_unfinished(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Undecided cases, and what each waits for, by id."""
        found = self.cases.unfinished(id=request["case"], after=request["after"], limit=request["limit"] + 1)
        return page(found, request["limit"], lambda case: self._waiting(case).as_dict())

    def job_details(self, kind: str, key: str) -> dict[str, Any]:
        """The case that a job of this service belongs to."""
        if kind in (REVIEW, RESUME, PLAN_DUE):
            return {"case": key}
        certificate = self.certificates.by_id(key) if kind == EXPIRY else None
        return {"case": certificate.record.audit_id if certificate else None}

    def _waiting(self, case: Case) -> Waiting:
        today, rule_set = self.clock.today(), case.evaluation.rule_set if case.evaluation else None
        if case.state is not CaseState.AWAITING_DECISION or rule_set is None:
            mandates: tuple[Mandate, ...] = ()
        else:
            mandates = self.mandates.unexpired(case.audit, rule_set=rule_set, day=today)
        return pending_work_of(
            case,
            today=today,
            mandates=tuple(m for m in mandates if m.covers(case.audit, rule_set=m.rule_set, day=today)),
            coming=next_in_force(mandates, today),
            lag=self.heartbeats.lag(MEMBERSHIP) if case.state is CaseState.AWAITING_MEMBER else None,
            next_look=self.event_history.next_due((RESUME, PLAN_DUE), case.id),
        )
