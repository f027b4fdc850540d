"""The certification service: decides on accepted audits and keeps the public register of certificates."""

import uuid
from typing import Any

from certification import answers, process, rule_files, schemas
from certification.desk import EXPIRY, PLAN_DUE, RESUME, REVIEW, WAKE, Desk, Terms
from certification.domain.audit import standard_name
from certification.domain.cases import Case, CaseState
from certification.domain.mandates import Mandate, next_in_force
from certification.known_mandates import KnownMandates
from certification.reconciliation import COMPARABLE
from certification.store import Cases, Certificates
from certification.topology import INDEXES
from certification.waiting import waiting
from touchstone_chassis.api import Job, OperatorApi, Settings, Stored, command, on_event, on_job, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.envelope import Envelope
from touchstone_contracts.errors import NotFound
from touchstone_contracts.events.assessment import AuditAccepted, CorrectiveActionPlanReviewed
from touchstone_contracts.events.membership import MembershipActivated, MembershipReinstated, MembershipSuspended
from touchstone_contracts.pending_work import ListUnfinished, Waiting
from touchstone_contracts.roles import ALL, ASSESSOR, FOLLOWERS, MEMBER, PUBLIC, SECRETARIAT


class CertificationService(OperatorApi):
    """One case for each accepted audit, one decision for each case, one certificate for each decision to certify."""

    name = "certification"
    indexes = INDEXES
    reconciliation = COMPARABLE

    settings = Settings(schemas.SettingsSchema())
    desk = Stored(Desk)
    cases = Stored(Cases)
    certificates = Stored(Certificates)

    remembered = KnownMandates()  # of the process: nameko makes an instance of the class for each worker

    @on_event(AuditAccepted)
    def open_case(self, event: AuditAccepted, envelope: Envelope) -> None:
        self.desk.open(process.audit_of(event), envelope.correlationid, self._terms())

    @on_event(CorrectiveActionPlanReviewed)
    def note_plan_review(self, event: CorrectiveActionPlanReviewed, envelope: Envelope) -> None:
        review, now = process.review_of(event), self.clock.now()
        self.desk.keep_review(review, envelope.sequence, envelope.correlationid, now=now)

    @on_event(MembershipActivated)
    def note_activation(self, event: MembershipActivated, envelope: Envelope) -> None:
        profile, standing = process.profile_of(event), process.standing_of(event)
        self.desk.keep_activation(profile, standing, envelope.sequence, now=self.clock.now())

    @on_event(MembershipSuspended)
    def note_suspension(self, event: MembershipSuspended, envelope: Envelope) -> None:
        self.desk.keep_standing(process.standing_of(event), envelope.sequence, now=self.clock.now())

    @on_event(MembershipReinstated)
    def note_reinstatement(self, event: MembershipReinstated, envelope: Envelope) -> None:
        self.desk.keep_standing(process.standing_of(event), envelope.sequence, now=self.clock.now())

    @on_job(REVIEW)
    def look_at_case(self, deadline: Job) -> None:
        self.desk.look_again(deadline.key, self._terms())

    @on_job(RESUME)
    def resume_case(self, deadline: Job) -> None:
        self.desk.look_again(deadline.key, self._terms())

    @on_job(PLAN_DUE)
    def end_hold(self, deadline: Job) -> None:
        self.desk.look_again(deadline.key, self._terms())

    @on_job(WAKE)
    def wake_cases(self, deadline: Job) -> None:
        self.desk.wake(deadline.payload["cases"], after=deadline.payload["after"], now=self.clock.now())

    @on_job(EXPIRY)
    def expire_certificate(self, deadline: Job) -> None:
        self.desk.expire(deadline.key, deadline.payload["correlation_id"], now=self.clock.now())

    @command(schemas.SignMandate(), roles=(SECRETARIAT,))
    def sign_mandate(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The caller orders that a rule set decides on the named standards while the mandate is valid.

        Undecided cases that it covers are decided soon after. Errors: invalid_request, already_exists.
        """
        now = self.clock.now()
        mandate = Mandate(
            id=request["mandate_id"] or f"mandate-{uuid.uuid4().hex}",
            rule_set=request["rule_set"],
            standards=tuple(dict.fromkeys(standard_name(standard) for standard in request["standards"])),
            valid_from=request["valid_from"],
            valid_until=request["valid_until"],
            signed_by=caller.subject,
            signed_at=now,
        )
        self.desk.add_mandate(mandate, now=now)
        return answers.mandate(mandate)

    @command(schemas.DecideCase(), roles=(SECRETARIAT,))
    def decide_case(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The caller decides a case by the rule set in force; answers the case as `get_case` does.

        Errors: not_found, decision_not_impartial, illegal_transition (decided, held, or its member is not known).
        """
        return answers.case_in_full(self.desk.decide(request["case_id"], caller.subject, self._terms()))

    @query(schemas.GetCase(), roles=ALL)
    def get_case(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """A case: its state, what it waits for and since when, reasons, trace and decision.

        A body sees the cases of its own audits, a member its own. Errors: not_found.
        """
        case = self.cases.get(request["case_id"])
        if case is None or not _may_see(caller, case):
            raise NotFound(f"There is no case {request['case_id']} that you may see.")
        return answers.case_in_full(case)

    @query(schemas.ListCases(), roles=ALL)
    def list_cases(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Cases by id, as far as the caller may see them: `{"items": [...], "next": cursor or null}`."""
        filter = _visible_to(caller)
        if request["state"] is not None:
            filter["state"] = request["state"].value
        found = self.cases.listed(filter, after=request["after"], limit=request["limit"] + 1)
        items, more = found[: request["limit"]], len(found) > request["limit"]
        return {"items": [answers.case_summary(case) for case in items], "next": items[-1].id if more else None}

    @query(schemas.GetCertificate(), roles=PUBLIC)
    def get_certificate(self, request: dict[str, Any], caller: Caller | None) -> dict[str, Any]:
        """The public record of a certificate, its status as of today. Errors: not_found."""
        found = self.certificates.by_number(request["number"])
        if found is None:
            raise NotFound(f"No certificate carries the number {request['number']}.")
        return answers.certificate(found, today=self.clock.today())

    @query(schemas.VerifyCertificate(), roles=PUBLIC)
    def verify_certificate(self, request: dict[str, Any], caller: Caller | None) -> dict[str, Any]:
        """Whether a certificate is valid today or on another day. An unknown number is answered, as not valid."""
        found = self.certificates.by_number(request["number"])
        return answers.verification(request["number"], found, on=request["on"] or self.clock.today())

    @query(schemas.ListCertificates(), roles=PUBLIC)
    def list_certificates(self, request: dict[str, Any], caller: Caller | None) -> dict[str, Any]:
        """Certificates by number: `{"items": [...], "next": cursor or null}`."""
        today, limit = self.clock.today(), request["limit"]
        found = self.certificates.listed(
            today=today,
            member_id=request["member_id"],
            standard_code=request["standard"],
            status=request["status"],
            after=int(request["after"] or 0),
            limit=limit + 1,
        )
        items = [answers.certificate(one, today=today) for one in found[:limit]]
        return {"items": items, "next": str(items[-1]["number"]) if len(found) > limit else None}

    @query(ListUnfinished(), roles=FOLLOWERS)
    def list_unfinished(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Undecided cases, and what each waits for, by id."""
        limit = request["limit"]
        found = self.cases.unfinished(id=request["case"], after=request["after"], limit=limit + 1)
        shown = found[:limit]
        return {
            "items": [self._waiting(case).as_dict() for case in shown],
            "next": shown[-1].id if len(found) > limit else None,
        }

    def job_details(self, kind: str, key: str) -> dict[str, Any]:
        if kind in (REVIEW, RESUME, PLAN_DUE):
            return {"case": key}
        certificate = self.certificates.by_id(key) if kind == EXPIRY else None
        return {"case": certificate.record.audit_id if certificate else None}

    def _waiting(self, case: Case) -> Waiting:
        today, rule_set = self.clock.today(), self.settings["rule_set"]
        open_decision = case.state is CaseState.AWAITING_DECISION
        mandates = self.desk.mandates.unexpired(case.audit, rule_set=rule_set, day=today) if open_decision else ()
        return waiting(
            case,
            today=today,
            mandates=tuple(m for m in mandates if m.covers(case.audit, rule_set=rule_set, day=today)),
            coming=next_in_force(mandates, today),
            next_look=self.trail.next_due((RESUME, PLAN_DUE), case.id),
        )

    def _terms(self) -> Terms:
        return Terms(
            rules=rule_files.load(self.settings["rule_set"]),
            first_number=self.settings["first_certificate_number"],
            now=self.clock.now(),
            known_mandates=self.remembered,
        )


def _may_see(caller: Caller, case: Case) -> bool:
    own = {"body_id": case.audit.body_id, "member_id": case.audit.member_id}
    return all(own[name] == wanted for name, wanted in _visible_to(caller).items())


def _visible_to(caller: Caller) -> dict[str, Any]:
    """What a case must match for the caller to see it."""
    if caller.role == ASSESSOR:
        return {"body_id": caller.cab}
    return {"member_id": caller.member} if caller.role == MEMBER else {}
