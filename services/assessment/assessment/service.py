"""The assessment service: its entrypoints."""

from typing import Any

from assessment import answers, schemas
from assessment.catalogue import Catalogue
from assessment.domain.accreditation import Auditor, Body, Grant
from assessment.domain.audit import Audit
from assessment.domain.standards import Acceptance, StandardVersion
from assessment.examination import Known, examine_import, examine_submission, recheck_accreditation
from assessment.reconciliation import COMPARABLE
from assessment.refusals import refused
from assessment.store import Auditors, Audits, Bodies, Refusals
from assessment.topology import INDEXES, INTAKE
from assessment.waiting import waiting
from touchstone_chassis.api import OperatorApi, Settings, Stored, command, on_message, query
from touchstone_contracts import roles
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import FieldError, InvalidRequest, NotFound, Refusal
from touchstone_contracts.pending_work import ListUnfinished
from touchstone_contracts.roles import ASSESSOR, FOLLOWERS, MEMBER, REGISTRAR, SECRETARIAT

_ACCREDITING = (SECRETARIAT, REGISTRAR)


class AssessmentService(OperatorApi):
    """Standards, who may audit against them, and audit reports from submission to acceptance."""

    name = "assessment"
    indexes = INDEXES
    reconciliation = COMPARABLE

    settings = Settings(schemas.SettingsSchema())
    audits = Stored(Audits)
    bodies = Stored(Bodies)
    auditors = Stored(Auditors)
    refusals = Stored(Refusals)

    @command(schemas.AccreditBody(), roles=_ACCREDITING)
    def accredit_body(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Accredit a certification body, or change its scope from the new grant's first day on."""
        self._refuse_unknown_scope(request)
        id = request["body_id"]
        body = self.bodies.get(id) or Body(id=id, name=request["name"])
        if events := body.accredit(request["name"], _grant(request)):
            self.bodies.save(body, events)
        return answers.body(body)

    @command(schemas.RegisterAuditor(), roles=_ACCREDITING)
    def register_auditor(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Register an auditor of one or more bodies, or change the scope from the new grant's first day on."""
        self._refuse_unknown_scope(request)
        self._refuse_unknown_bodies(request["body_ids"])
        id = request["auditor_id"]
        auditor = self.auditors.get(id) or Auditor(id=id, name=request["name"])
        auditor.register(request["name"], _grant(request))
        self.auditors.save(auditor)
        return answers.auditor(auditor)

    @command(schemas.SubmitAuditReport(), roles=(ASSESSOR,))
    def submit_audit_report(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Hand in a report, or one that was returned again.

        InvalidReport lists everything that is wrong. AlreadyExists: this very report is here. IllegalTransition: the
        audit has another report that was not returned.
        """
        return self._submit(request["report"], caller)

    @on_message(INTAKE, schemas.SubmitByMessage(), roles=(ASSESSOR,), refused="record_refusal")
    def submit_by_message(self, request: dict[str, Any], caller: Caller, message_id: str) -> None:
        """The same, by message: AuditReportSubmitted answers."""
        self._submit(request["report"], caller)

    def record_refusal(self, body: Any, caller: Caller | None, refusal: Refusal, message_id: str) -> None:
        """AuditReportRefused answers a message that was not carried out, with the errors that a call would get."""
        self.refusals.add(refused(body, caller.cab if caller else None, refusal, message_id), at=self.clock.now())

    @command(schemas.ImportAuditReport(), roles=(REGISTRAR,))
    def import_audit_report(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Enter a past report with its published certificate: checked like any other, accepted as of the day of issue.

        Accreditation is judged on the audit's days, the standard's window on the day of issue.
        """
        now = self.clock.now()
        examined, history = examine_import(request["report"], request["history"], self._known(), today=now.date())
        audit = examined.audit
        events = audit.admit(
            examined.summary,
            examined.report_hash,
            history,
            by=caller.subject,
            at=now,
            standard=examined.standard,
            body_name=examined.body_name,
        )
        self.audits.save(audit, events, request["report"])
        return answers.receipt(audit)

    @command(schemas.AcceptAuditReport(), roles=(SECRETARIAT,))
    def accept_audit_report(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Accept a submitted report: its findings are frozen.

        DecisionNotImpartial for its author and the team. InvalidReport where an accreditation was corrected since the
        report came in and no longer covers the audit: return the report then.
        """
        audit = self._audit(request["audit_id"], caller)
        standard = self._standard(audit.summary.standard.code, audit.summary.standard.version)
        body = self.bodies.get(audit.summary.body_id)
        events = audit.accept(by=caller.subject, at=self.clock.now(), standard=standard, body_name=body.name)
        recheck_accreditation(self.audits.report(audit), self._known(), standard=standard, body=body)
        self.audits.save(audit, events)
        return answers.receipt(audit)

    @command(schemas.ReturnAuditReport(), roles=(SECRETARIAT,))
    def return_audit_report(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Hand a submitted report back to its body, with the reasons."""
        audit = self._audit(request["audit_id"], caller)
        events = audit.return_to_body(tuple(request["reasons"]), by=caller.subject, at=self.clock.now())
        self.audits.save(audit, events)
        return answers.receipt(audit)

    @command(schemas.ReviewCorrectiveActionPlan(), roles=(ASSESSOR,))
    def review_corrective_action_plan(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Approve or reject the plan for one non-conformity of an accepted report of the caller's body."""
        audit = self._audit(request["audit_id"], caller)
        events = audit.review_plan(
            request["criterion"],
            request["plan_state"],
            plan_due_on=request["plan_due_on"],
            by=caller.subject,
            at=self.clock.now(),
        )
        self.audits.save(audit, events)
        return answers.receipt(audit)

    @query(schemas.GetAudit(), roles=roles.ALL)
    def get_audit(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """An audit with its report; a body's and a member's own only."""
        audit = self._audit(request["audit_id"], caller)
        return answers.audit(audit, self.audits.report(audit))

    @query(schemas.ListAudits(), roles=roles.ALL)
    def list_audits(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Audits by id; a body's and a member's own only."""
        found = self.audits.page(
            state=request["state"],
            body_id=caller.cab if caller.role == ASSESSOR else None,
            member_id=caller.member if caller.role == MEMBER else None,
            limit=request["limit"] + 1,
            after=request["after"],
        )
        return answers.page(found, request["limit"])

    @query(schemas.GetStandard(), roles=roles.ALL)
    def get_standard(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """A standard version's data file, with its criteria, rules, sources and confidences."""
        self._standard(request["code"], request["version"])
        return dict(self._catalogue.files[request["code"], request["version"]])

    @query(schemas.ListStandards(), roles=roles.ALL)
    def list_standards(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Every standard version that is known."""
        versions = self._catalogue.versions
        return {"items": [answers.standard_line(versions[key]) for key in sorted(versions)], "next": None}

    @query(ListUnfinished(), roles=FOLLOWERS)
    def list_unfinished(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Audits whose report is not accepted, and what each waits for, by id."""
        limit = request["limit"]
        found = self.audits.unfinished(id=request["case"], limit=limit + 1, after=request["after"])
        shown = found[:limit]
        return {
            "items": [waiting(audit).as_dict() for audit in shown],
            "next": shown[-1].id if len(found) > limit else None,
        }

    def _submit(self, report: Any, caller: Caller) -> dict[str, Any]:
        now = self.clock.now()
        examined = examine_submission(report, self._known(), body_id=caller.cab, today=now.date())
        audit, standard = examined.audit, examined.standard
        events = audit.submit(examined.summary, examined.report_hash, by=caller.subject, at=now)
        if standard.acceptance is Acceptance.AUTOMATIC:
            events += audit.accept_by_configuration(at=now, standard=standard, body_name=examined.body_name)
        self.audits.save(audit, events, report)
        return answers.receipt(audit)

    def _audit(self, id: str, caller: Caller) -> Audit:
        """The audit, if the caller may see it: a body and a member see their own. Raises NotFound."""
        audit: Audit | None = self.audits.get(id)
        own = {ASSESSOR: ("body_id", caller.cab), MEMBER: ("member_id", caller.member)}.get(caller.role)
        if audit is None or (own is not None and getattr(audit.summary, own[0]) != own[1]):
            raise NotFound(f"There is no audit {id!r} that you may see.")
        return audit

    def _standard(self, code: str, version: str) -> StandardVersion:
        standard = self._catalogue.find(code, version)
        if standard is None:
            raise NotFound(f"There is no standard {code} {version}.")
        return standard

    @property
    def _catalogue(self) -> Catalogue:
        catalogue: Catalogue = self.settings["catalogue"]
        return catalogue

    def _known(self) -> Known:
        return Known(catalogue=self._catalogue, audits=self.audits, bodies=self.bodies, auditors=self.auditors)

    def _refuse_unknown_scope(self, request: dict[str, Any]) -> None:
        """An accreditation for what no standard knows would be a typing error."""
        known = {"standards": self._catalogue.codes, "activities": self._catalogue.activities}
        wrong = [
            FieldError(f"{field}[{index}]", f"unknown_{singular}", f"{value!r} is in none of the standards here.")
            for field, singular in (("standards", "standard"), ("activities", "activity"))
            for index, value in enumerate(request[field])
            if value not in known[field]
        ]
        if wrong:
            raise InvalidRequest("The accreditation's scope names what is not known here.", wrong)

    def _refuse_unknown_bodies(self, body_ids: list[str]) -> None:
        wrong = [
            FieldError(f"body_ids[{index}]", "unknown_body", f"{id!r} is no accredited body.")
            for index, id in enumerate(body_ids)
            if self.bodies.get(id) is None
        ]
        if wrong:
            raise InvalidRequest("An auditor works for bodies that are accredited here.", wrong)


def _grant(request: dict[str, Any]) -> Grant:
    return Grant(
        standards=tuple(request["standards"]),
        countries=tuple(request["countries"]),
        activities=tuple(request["activities"]),
        valid_from=request["valid_from"],
        valid_until=request["valid_until"],
        body_ids=tuple(request.get("body_ids", ())),
    )
