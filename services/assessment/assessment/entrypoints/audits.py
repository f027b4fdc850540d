"""The methods for audits, and the queue on which their reports may come as messages."""

import functools
from typing import Any

from assessment.application.accept import accept
from assessment.application.import_report import import_report
from assessment.application.known_register import KnownRegister
from assessment.application.look_again import look_again
from assessment.application.submission_validation import Repositories
from assessment.application.submit import submit
from assessment.domain.audits.audit import Audit
from assessment.entrypoints.refusals import refused
from assessment.entrypoints.visibility import visible_audit
from assessment.presenters import audits as present
from assessment.schemas.audits import (
    AcceptAuditReport,
    GetAudit,
    ImportAuditReport,
    ListAudits,
    ReturnAuditReport,
    SubmitAuditReport,
    SubmitByMessage,
)
from assessment.schemas.settings import TAKE
from assessment.storage.accreditation import Auditors, Bodies
from assessment.storage.audits import Audits
from assessment.storage.jobs import LOOK_AGAIN, Jobs
from assessment.storage.refusals import Refusals
from assessment.storage.surroundings import ReportSurroundings
from touchstone_chassis.api import Job, Stored, command, on_job, on_message, page, query
from touchstone_contracts import roles
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import Refusal
from touchstone_contracts.roles import ASSESSOR, MEMBER, REGISTRAR, SECRETARIAT

INTAKE = "assessment.intake"


class AuditEntrypoints:
    """Audit reports from submission to acceptance."""

    clock: Any
    settings: Any
    heartbeats: Any
    standards: Any
    catalogue_cache: Any
    register_copies: Any
    audits = Stored(Audits)
    bodies = Stored(Bodies)
    auditors = Stored(Auditors)
    refusals = Stored(Refusals)
    jobs = Stored(Jobs)
    report_surroundings = Stored(ReportSurroundings)

    @command(SubmitAuditReport(), roles=(ASSESSOR,))
    def submit_audit_report(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Hand in a report, or one that was returned again.

        InvalidReport lists everything that is wrong. What it names and nobody has heard of here yet is answered under
        `waits_for`: it is accepted once that is known, and returned once it is certain that nobody knows it.
        AlreadyExists: this very report is here. IllegalTransition: the audit has another report that was not returned.
        """
        return present.receipt(self._submit(request["report"], caller, patient=True))

    @on_message(INTAKE, SubmitByMessage(), roles=(ASSESSOR,), refused="record_refusal", handler="submit_by_message")
    def submit_by_message(self, request: dict[str, Any], caller: Caller, message_id: str) -> None:
        """The same, by message: AuditReportSubmitted answers; it does not wait to know what is unknown."""
        self._submit(request["report"], caller, patient=False)

    @on_job(LOOK_AGAIN)
    def look_again(self, job: Job) -> None:
        look_again(job.key, self._repositories(patient=False), self.jobs, at=self.clock.now())

    def record_refusal(self, body: Any, caller: Caller | None, refusal: Refusal, message_id: str) -> None:
        """AuditReportRefused answers a message that was not carried out, with the errors that a call would get."""
        self.refusals.add(refused(body, caller.cab if caller else None, refusal, message_id), at=self.clock.now())

    @command(ImportAuditReport(), roles=(REGISTRAR,))
    def import_audit_report(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Enter a past report with its published certificate: checked like any other, accepted as of the day of issue.

        Accreditation is judged on the audit's days, the standard's window on the day of issue.
        """
        at = self.clock.now()
        audit = import_report(request["report"], request["history"], self._repositories(), by=caller.subject, at=at)
        return present.receipt(audit)

    @command(AcceptAuditReport(), roles=(SECRETARIAT,))
    def accept_audit_report(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Accept a submitted report: its findings are frozen.

        DecisionNotImpartial for its author and the team. InvalidReport where an accreditation was corrected since the
        report came in and no longer covers the audit, or the register says otherwise by now: return the report then.
        NotKnownYet while what it names is not known here.
        """
        audit = visible_audit(self.audits, request["audit_id"], caller)
        accept(audit, self._repositories(), by=caller.subject, at=self.clock.now())
        return present.receipt(audit)

    @command(ReturnAuditReport(), roles=(SECRETARIAT,))
    def return_audit_report(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Hand a submitted report back to its body, with the reasons."""
        audit = visible_audit(self.audits, request["audit_id"], caller)
        events = audit.return_to_body(tuple(request["reasons"]), by=caller.subject, at=self.clock.now())
        self.audits.save(audit, events)
        return present.receipt(audit)

    @query(GetAudit(), roles=roles.ALL)
    def get_audit(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """An audit with its report; a body's and a member's own only."""
        audit = visible_audit(self.audits, request["audit_id"], caller)
        return present.audit(audit, self.audits.report(audit))

    @query(ListAudits(), roles=roles.ALL)
    def list_audits(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Audits by id; a body's and a member's own only."""
        found = self.audits.page(
            state=request["state"],
            body_id=caller.cab if caller.role == ASSESSOR else None,
            member_id=caller.member if caller.role == MEMBER else None,
            limit=request["limit"] + 1,
            after=request["after"],
        )
        return page(found, request["limit"], present.audit_line)

    def _submit(self, report: Any, caller: Caller, *, patient: bool) -> Audit:
        repositories, now = self._repositories(patient=patient), self.clock.now()
        return submit(report, repositories, self.jobs, body_id=caller.cab, by=caller.subject, at=now)

    def _repositories(self, *, patient: bool = True) -> Repositories:
        take_unknown = self.settings["unknown_references"] == TAKE
        return Repositories(
            surroundings=self.report_surroundings,
            catalogue=functools.partial(self.standards.catalogue, cache=self.catalogue_cache),
            audits=self.audits,
            bodies=self.bodies,
            auditors=self.auditors,
            register=KnownRegister(self.register_copies, self.heartbeats, patient=patient, take_unknown=take_unknown),
        )
