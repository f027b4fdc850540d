"""Cases: opened by an accepted audit, looked at when something changed, decided by a person, and shown."""

from typing import Any

from certification.application.decide_case import CaseDecision, Terms
from certification.application.translation import audit_of
from certification.application.wake_cases import CaseWaking
from certification.domain.cases.case import Case
from certification.presenters import cases as present
from certification.schemas.cases import DecideCase, GetCase, ListCases, RefuseCase
from certification.storage.cases import Cases
from certification.storage.jobs import PLAN_DUE, RESUME, REVIEW, WAKE
from certification.storage.mandates import MandateCache
from certification.storage.rule_sets import RuleSetCache
from touchstone_chassis.api import Job, Stored, command, on_event, on_job, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.errors import NotFound
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.roles import ALL, ASSESSOR, MEMBER, SECRETARIAT


class CaseEntrypoints:
    settings: Any
    clock: Any
    cases = Stored(Cases)
    case_decision = Stored(CaseDecision)
    case_waking = Stored(CaseWaking)

    # Of the process: nameko makes an instance of the class for each worker.
    mandate_cache = MandateCache()
    rule_set_cache = RuleSetCache()

    @on_event(AuditAccepted, handler="open_case")
    def open_case(self, event: AuditAccepted, envelope: Envelope) -> None:
        self.case_decision.open(audit_of(event), envelope.correlationid, self._terms())

    @on_job(REVIEW)
    def look_at_case(self, job: Job) -> None:
        self.case_decision.look_again(job.key, self._terms())

    @on_job(RESUME)
    def resume_case(self, job: Job) -> None:
        self.case_decision.look_again(job.key, self._terms())

    @on_job(PLAN_DUE)
    def end_hold(self, job: Job) -> None:
        self.case_decision.look_again(job.key, self._terms())

    @on_job(WAKE)
    def wake_cases(self, job: Job) -> None:
        self.case_waking.wake(job.payload["cases"], after=job.payload["after"], now=self.clock.now())

    @command(DecideCase(), roles=(SECRETARIAT,))
    def decide_case(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The caller decides a case by the rule set that is effective; answers the case as `get_case` does.

        Errors: not_found, decision_not_impartial, illegal_transition (decided, held, or its member is not known).
        """
        return present.case_in_full(self.case_decision.decide(request["case_id"], caller.subject, self._terms()))

    @command(RefuseCase(), roles=(SECRETARIAT,))
    def refuse_case(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The caller refuses certification, with a reason that everybody is told, whatever the case waits for.

        So no case is held for ever. Errors: not_found, decision_not_impartial, illegal_transition (decided).
        """
        refused = self.case_decision.refuse(request["case_id"], caller.subject, request["reason"], self._terms())
        return present.case_in_full(refused)

    @query(GetCase(), roles=ALL)
    def get_case(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """A case: its state, what it waits for and since when, reasons, trace and decision.

        A body sees the cases of its own audits, a member its own. Errors: not_found.
        """
        case = self.cases.get(request["case_id"])
        if case is None or not _may_see(caller, case):
            raise NotFound(f"There is no case {request['case_id']} that you may see.")
        return present.case_in_full(case)

    @query(ListCases(), roles=ALL)
    def list_cases(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Cases by id, as far as the caller may see them: `{"items": [...], "next": cursor or null}`."""
        filter = _visible_to(caller)
        if request["state"] is not None:
            filter["state"] = request["state"].value
        found = self.cases.listed(filter, after=request["after"], limit=request["limit"] + 1)
        return page(found, request["limit"], present.case_summary)

    def _terms(self) -> Terms:
        return Terms(
            first_number=self.settings["first_certificate_number"],
            now=self.clock.now(),
            mandate_cache=self.mandate_cache,
            rule_set_cache=self.rule_set_cache,
        )


def _may_see(caller: Caller, case: Case) -> bool:
    own = {"body_id": case.audit.body_id, "member_id": case.audit.member_id}
    return all(own[name] == wanted for name, wanted in _visible_to(caller).items())


def _visible_to(caller: Caller) -> dict[str, Any]:
    """What a case must match for the caller to see it."""
    if caller.role == ASSESSOR:
        return {"body_id": caller.cab}
    return {"member_id": caller.member} if caller.role == MEMBER else {}
