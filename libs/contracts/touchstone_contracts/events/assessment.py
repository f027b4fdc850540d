"""Events of the assessment service."""

import datetime

from touchstone_contracts.registry import detail, event
from touchstone_contracts.values import (
    AuditType,
    History,
    Nonconformity,
    PinnedMember,
    Place,
    PlanState,
    Problem,
    ReliedOn,
    Scope,
    Standard,
    StandardCriterion,
    WaitsFor,
)

_PLACE = {"id": "qatalum-mesaieed", "name": "Qatalum, Mesaieed", "country": "QA"}
_SCOPE = {
    "type": "facility",
    "text": "Smelter and casthouse at Mesaieed",
    "activities": ["SML", "CST"],
    "facilities": [{"id": "qatalum-1", "name": "Mesaieed", "country": "QA"}],
}
_STANDARD = {"code": "PS", "version": "3.0"}
_WAITS_FOR = {
    "what": "facility qatalum-9 is not known yet",
    "who": "membership",
    "since": "2026-03-01T09:00:00+00:00",
    "target": "scope.facilities[0].id",
}


@event(
    "assessment.body_accredited",
    version=1,
    subject="body_id",
    summary="A certification body was accredited, or its scope changed.",
    words="body {body_id} accredited",
)
class BodyAccredited:
    body_id: str = detail("The certification body.", example="dnv", public=True)
    name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    standards: list[str] = detail("Standard codes in its scope.", example=["PS", "COC"])
    countries: list[str] = detail("ISO 3166-1 alpha-2 codes in its scope; `*` for all.", example=["*"])
    activities: list[str] = detail("Supply chain activity codes in its scope.", example=["SML", "CST"])
    valid_from: datetime.date = detail("First day of the accreditation.", example="2018-01-01")
    valid_until: datetime.date = detail("Last day of the accreditation.", example="2027-12-31")


@event(
    "assessment.audit_report_submitted",
    version=1,
    subject="audit_id",
    summary="A body handed in an audit report that is complete; it now waits for acceptance.",
    words="report {report_id} submitted",
)
class AuditReportSubmitted:
    audit_id: str = detail("The audit.", example="aud-7f3a", public=True)
    report_id: str = detail("The body's own reference.", example="QATALUM-2022-01", public=True)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    member_id: str = detail("The member.", example="qatalum", public=True)
    entity: Place = detail("The certifying entity.", example=_PLACE)
    standard: Standard = detail("What was audited against.", example=_STANDARD)
    audit_type: AuditType = detail("Kind of audit.", example="initial")
    report_hash: str = detail("SHA-256 of the canonical report.", example="sha256:9f86d081")
    submitted_at: datetime.datetime = detail("When.", example="2026-03-01T09:00:00+00:00")
    waits_for: list[WaitsFor] = detail(
        "What it names and nobody has heard of here yet: it is accepted only when that is known. Empty: nothing.",
        example=[_WAITS_FOR],
        default=[],
    )


@event(
    "assessment.audit_report_waiting",
    version=1,
    subject="audit_id",
    summary="A submitted report has waited for five minutes for what it names and nobody has heard of; "
    "or it waits no more, since that is known by now.",
    words="word of what the report waits for",
)
class AuditReportWaiting:
    audit_id: str = detail("The audit.", example="aud-7f3a", public=True)
    report_id: str = detail("The body's own reference.", example="QATALUM-2022-01", public=True)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    member_id: str = detail("The member.", example="qatalum", public=True)
    waits_for: list[WaitsFor] = detail("What is not known yet; empty: all of it is.", example=[_WAITS_FOR])


@event(
    "assessment.audit_report_refused",
    version=1,
    subject="submission_id",
    summary="A report handed in by message was not taken: it is incomplete or inconsistent.",
    words="report refused: {code}",
)
class AuditReportRefused:
    submission_id: str = detail("The submission that was refused.", example="sub-19", public=True)
    report_id: str | None = detail(
        "The body's own reference, if it was readable.", example="R-1", default=None, public=True
    )
    body_id: str | None = detail("The certification body, if known.", example="dnv", default=None, public=True)
    code: str = detail("The error's code.", example="invalid_report", public=True)
    problems: list[Problem] = detail(
        "Everything that is wrong.",
        example=[{"path": "findings[3].rating", "code": "unknown_rating", "message": "'good' is not a rating."}],
    )


@event(
    "assessment.audit_report_returned",
    version=1,
    subject="audit_id",
    summary="The Secretariat returned a report to the body for correction.",
    words="report returned to the body: {reasons}",
)
class AuditReportReturned:
    audit_id: str = detail("The audit.", example="aud-7f3a", public=True)
    report_id: str = detail("The body's own reference.", example="QATALUM-2022-01", public=True)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    member_id: str = detail("The member.", example="qatalum", public=True)
    reasons: list[str] = detail("What to correct.", example=["Evidence for 5.2 is missing."], public=True)
    returned_at: datetime.datetime = detail("When.", example="2026-03-02T09:00:00+00:00")


@event(
    "assessment.audit_accepted",
    version=1,
    subject="audit_id",
    summary="An audit report was accepted: findings are frozen and certification may decide.",
    words="report accepted by {accepted_by}",
)
class AuditAccepted:
    audit_id: str = detail("The audit.", example="aud-7f3a", public=True)
    report_id: str = detail("The body's own reference.", example="QATALUM-2022-01", public=True)
    report_hash: str = detail("SHA-256 of the canonical report.", example="sha256:9f86d081")
    audit_type: AuditType = detail("Kind of audit.", example="initial")
    standard: Standard = detail("What was audited against.", example=_STANDARD)
    standard_open_from: datetime.date = detail(
        "First day on which this version may be certified.", example="2022-05-01"
    )
    standard_open_until: datetime.date | None = detail(
        "Last day for new certificates on this version.", example=None, default=None
    )
    member_id: str = detail("The member.", example="qatalum", public=True)
    entity: Place = detail("The certifying entity.", example=_PLACE)
    scope: Scope = detail("What is to be certified.", example=_SCOPE)
    body_id: str = detail("The certification body.", example="dnv", public=True)
    body_name: str = detail("Its name.", example="DNV Business Assurance Services UK")
    member: PinnedMember | None = detail(
        "The member as it was known at acceptance; null in imports, and from releases that did not look.",
        example={
            "legal_name": "Qatar Aluminium Limited",
            "member_class": "PT",
            "state": "active",
            "effective_on": "2020-03-01",
            "sequence": 2,
        },
        default=None,
    )
    relied_on: list[ReliedOn] = detail(
        "Which word of each owner's acceptance relied on, beside the member's.",
        example=[{"kind": "facility", "id": "qatalum-1", "sequence": 1}],
        default=[],
    )
    standard_hash: str | None = detail(
        "SHA-256 of the standard as published, against which the report was held.",
        example="sha256:9f86d081",
        default=None,
    )
    team: list[str] = detail("Ids of everyone on the audit team.", example=["auditor-1", "auditor-2"])
    team_logins: list[str] = detail(
        "By which names (tokens' subjects) people of the team call, as far as that is registered.",
        example=["a.auditor@dnv.example"],
        default=[],
    )
    submitted_by: str = detail(
        "Who wrote and submitted the report (the token's subject).", example="dnv-reports", public=True
    )
    submitters: list[str] = detail(
        "Everyone who submitted any version of the report.", example=["dnv-reports"], default=[]
    )
    accepted_by: str = detail(
        "Who accepted it: a person's subject, or `configuration`.", example="secretariat-1", public=True
    )
    audited_from: datetime.date = detail("First day on site.", example="2021-11-28")
    audited_until: datetime.date = detail("Last day on site.", example="2021-12-16")
    submitted_at: datetime.datetime = detail("When the report came in.", example="2026-03-01T09:00:00+00:00")
    accepted_at: datetime.datetime = detail("When it was accepted.", example="2026-03-05T09:00:00+00:00")
    ratings: dict[str, int] = detail("How many criteria got each rating.", example={"conformance": 60})
    nonconformities: list[Nonconformity] = detail(
        "Every criterion that is not conforming.",
        example=[
            {"criterion": "9.1", "rating": "minor_nonconformity", "plan_state": "approved", "plan_due_on": "2022-01-15"}
        ],
        default=[],
    )
    history: History | None = detail(
        "Set when the registrar imported a past certification.", example=None, default=None
    )


@event(
    "assessment.corrective_action_plan_reviewed",
    version=1,
    subject="audit_id",
    summary="The corrective action plan for a non-conformity was approved or rejected after the report was accepted.",
    words="plan for {criterion} {plan_state}",
)
class CorrectiveActionPlanReviewed:
    audit_id: str = detail("The audit.", example="aud-7f3a", public=True)
    criterion: str = detail("Criterion code of the non-conformity.", example="9.1", public=True)
    plan_state: PlanState = detail("Approved or rejected.", example="approved", public=True)
    plan_due_on: datetime.date | None = detail(
        "By when the plan must be approved.", example="2026-02-15", default=None, public=True
    )
    reviewed_at: datetime.datetime = detail("When.", example="2026-03-09T09:00:00+00:00")


@event(
    "assessment.standard_published",
    version=1,
    subject="publication_id",
    summary="A standard was published: reports are held against it from its first day on, until the next version's.",
    words="standard {standard} published, version {version}, effective from {effective_from}",
    record=True,
)
class StandardPublished:
    publication_id: str = detail("The standard's id and the version of what was published.", example="PS-3.0/2")
    standard: Standard = detail("The standard.", example=_STANDARD, public=True)
    name: str = detail("Its name.", example="Performance Standard V3")
    version: int = detail("Version of what was published of it; never changed.", example=2, public=True)
    effective_from: datetime.date = detail("First day (UTC) on which it applies.", example="2027-01-01", public=True)
    hash: str = detail("SHA-256 of the canonical JSON of what was published.", example="sha256:9f86d081", public=True)
    certifiable_from: datetime.date = detail("First day on which it may be certified.", example="2022-05-01")
    new_certificates_until: datetime.date | None = detail("Last day for new certificates.", example=None, default=None)
    existing_certificates_until: datetime.date | None = detail(
        "Last day for audits of certificates that there are.", example=None, default=None
    )
    criteria: list[StandardCriterion] = detail(
        "Codes and short titles.", example=[{"code": "1.1", "title": "Legal Compliance"}]
    )
    published_by: str = detail("Who published it.", example="secretariat-1", public=True)
