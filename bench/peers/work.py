"""The work of one audit as pure steps on plain documents: every peer does exactly this, and differs in its machinery.

A report is read by the stock marshmallow form, checked and summed up by assessment's domain, decided by the rule set in
force, certified, and noticed once per contact. Events are the published language's own, as JSON-ready dicts without an
envelope. What a peer leaves out in its own favour: the case as a document of its own, AuditReportSubmitted, envelopes,
and who could be told at which moment (all contacts are told).
"""

import datetime
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import pymongo
from marshmallow import ValidationError

from assessment.data.recommendations import RECOMMENDATIONS_1
from assessment.domain.accreditation import Auditor, Body, Grant
from assessment.domain.audits.audit import Audit, audit_id_of
from assessment.domain.audits.reliance import Reliance
from assessment.domain.audits.report import summarise
from assessment.domain.register import Register
from assessment.domain.report_checks.checklist import faults
from assessment.domain.report_checks.facts import Facts
from assessment.domain.standards import StandardVersion
from assessment.schemas.report import ReportSchema
from assessment.schemas.report_hash import report_hash
from assessment.schemas.report_parsing import ParsedReport
from certification.application.translation import audit_of
from certification.data import rule_sets
from certification.domain.cases.case import open_case
from certification.domain.cases.verdict import weigh
from certification.domain.certificates.certificate import issue
from certification.domain.mandates import Mandate
from certification.domain.members import Member, MembershipStatus, Profile
from certification.domain.rules.facts import Surroundings
from certification.domain.rules.rule_set import RuleSet
from certification.storage.cases import case_document
from certification.storage.certificates import certificate_document
from notification.domain.notices.notice import NoticeState, notice_id
from notification.domain.recipients.contact import EMAIL
from touchstone_contracts.callers import Caller
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.events.certification import CertificateIssued
from touchstone_contracts.field_errors import field_errors
from touchstone_contracts.roles import ASSESSOR

RULE_SET = 2
_FORM = ReportSchema()
_CENTURY = datetime.date(2000, 1, 1), datetime.date(2099, 12, 31)


def submitted(
    report: dict[str, Any],
    caller: Caller,
    body_doc: Mapping[str, Any] | None,
    auditor_docs: Iterable[Mapping[str, Any]],
    now: datetime.datetime,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The document of the accepted audit, with its report, and AuditAccepted.

    Raises PermissionError for a caller who is no assessor, ValueError with every fault of the report.
    """
    if caller.role != ASSESSOR:
        raise PermissionError("Only an assessor submits reports.")
    parsed = _read(report)
    standard = _standards().get((parsed.text("standard", "code") or "", parsed.text("standard", "version") or ""))
    facts = Facts(
        standard=standard,
        body=Body(body_doc["_id"], body_doc["name"], _grants(body_doc)) if body_doc else None,
        auditors={doc["_id"]: Auditor(doc["_id"], doc["name"], _grants(doc)) for doc in auditor_docs},
        submitting_body=caller.cab or "",
        today=now.date(),
        audited_by=now.date(),
        recommendations=RECOMMENDATIONS_1,
        register=Register(),  # the peers hold no copies of a register
        all_told=False,
    )
    wrong = parsed.with_content_faults(faults(parsed.content, facts))
    if wrong:
        raise ValueError("; ".join(f"{fault.path}: {fault.message}" for fault in wrong))
    assert standard is not None and facts.body is not None
    reliance = Reliance(standard=standard, body=facts.body, team=facts.auditors, register=facts.register)
    summary = summarise(parsed.content, standard)
    audit = Audit(id=audit_id_of(summary.body_id, summary.report_id), summary=summary)
    audit.submit(summary, report_hash(report), by=caller.subject, at=now)
    (accepted,) = audit.accept_by_configuration(at=now, on=reliance)
    event = AuditAccepted.schema.dump(accepted)  # type: ignore[attr-defined]
    return {"_id": audit.id, "audit_id": audit.id, "at": now, "accepted": event, "report": report}, event


@functools.cache
def _rule_set() -> RuleSet:
    """The one that ships with certification: peers keep no reference data in a database."""
    shipped = (publication for publication in rule_sets.shipped() if publication.version == RULE_SET)
    return rule_sets.rule_set_of(next(shipped))


def decided(
    accepted_event: Mapping[str, Any], member_doc: Mapping[str, Any], number: int, now: datetime.datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The certificate's document with the decided case in it, and CertificateIssued. Raises ValueError if refused."""
    audit = audit_of(AuditAccepted.schema.load(accepted_event))  # type: ignore[attr-defined]
    around = Surroundings(member=_member(member_doc), mandates=_mandates())
    verdict = weigh(audit, around, _rule_set(), today=now.date())
    if verdict is None or verdict.authority is None or verdict.evaluation.outcome.level is None:
        raise ValueError(f"{audit.audit_id} leads to no certificate: {verdict}")
    case = open_case(audit, correlation_id=audit.audit_id, now=now)
    name = verdict.member.profile.legal_name
    record = case.certify(verdict.evaluation, verdict.authority, member_name=name, number=number, now=now)
    certificate, (announced,) = issue(record, today=now.date())
    event = CertificateIssued.schema.dump(announced)  # type: ignore[attr-defined]
    # Known by its audit, so that a repeated event cannot make a second one.
    facts = {"_id": audit.audit_id, "certificate_id": certificate.id, "issued": event, "case": case_document(case)}
    return certificate_document(certificate) | facts, event


def noticed(
    issued_event: Mapping[str, Any], contact_docs: Iterable[Mapping[str, Any]], now: datetime.datetime
) -> list[dict[str, Any]]:
    """One notice document per contact; its id is the same whenever the event comes again."""
    issued = CertificateIssued.schema.load(issued_event)  # type: ignore[attr-defined]
    if not issued.notify:
        return []
    return [_notice(issued, contact, now) for contact in contact_docs]


def auditor_ids(report: Mapping[str, Any]) -> list[str]:
    """Whom to look up for a report that nobody has checked yet; empty where its team cannot be read."""
    team = report.get("team")
    members = [one for one in team if isinstance(one, dict)] if isinstance(team, list) else []
    return [one["auditor_id"] for one in members if isinstance(one.get("auditor_id"), str)]


def parties(issued_event: Mapping[str, Any]) -> list[str]:
    """Whose contacts are told of a certificate, as contact documents name them in `party`."""
    return [f"member:{issued_event['member_id']}", f"body:{issued_event['body_id']}", "secretariat:secretariat"]


def seed(mongo_uri: str, prefix: str, report: Mapping[str, Any], contacts: int) -> None:
    """Put what is known around `report` into the three databases: body, team, an active member, contacts c-0, c-1, ...

    `contacts` of them in all, of the three parties in turn. Doing it again changes nothing.
    """
    with pymongo.MongoClient[dict[str, Any]](mongo_uri, w="majority", journal=True) as client:
        for (service, collection), documents in _known(report, contacts).items():
            into = client[f"{prefix}_{service}"][collection]
            into.bulk_write([pymongo.ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in documents])
        client[f"{prefix}_notification"]["contacts"].create_index("party")


def _known(report: Mapping[str, Any], contacts: int) -> dict[tuple[str, str], list[dict[str, Any]]]:
    first, last = (day.isoformat() for day in _CENTURY)
    grant = {"standards": [report["standard"]["code"]], "countries": ["*"], "activities": report["scope"]["activities"]}
    grant |= {"valid_from": first, "valid_until": last, "body_ids": []}
    team_grant = grant | {"body_ids": [report["body_id"]]}
    body = {"_id": report["body_id"], "name": "A body (fictional)", "grants": [grant]}
    member = {"_id": report["member_id"], "legal_name": "A member (fictional)", "good": True, "effective_on": first}
    told, contact = parties(report), {"language": "en", "channels": [EMAIL], "active": True}
    return {
        ("assessment", "bodies"): [body],
        ("assessment", "auditors"): [
            {"_id": id, "name": f"Auditor {id} (fictional)", "grants": [team_grant]} for id in auditor_ids(report)
        ],
        ("certification", "members"): [member],
        ("notification", "contacts"): [
            contact | {"_id": f"c-{i}", "party": told[i % len(told)], "address": f"c-{i}@example.org"}
            for i in range(contacts)
        ],
    }


def _read(report: Any) -> ParsedReport:
    """As marshmallow reads it, whatever faster ways Touchstone itself has."""
    try:
        return ParsedReport(content=dict(_FORM.load(report)), faults=[])
    except ValidationError as error:
        content = error.valid_data if isinstance(error.valid_data, dict) else {}
        return ParsedReport(content=content, faults=field_errors(error.normalized_messages()))


def _notice(issued: Any, contact: Mapping[str, Any], now: datetime.datetime) -> dict[str, Any]:
    id = notice_id(issued.audit_id, contact["_id"])
    return {
        "_id": id,
        "about": issued.certificate_id,
        "type": CertificateIssued.local_name,  # type: ignore[attr-defined]
        "audit_id": issued.audit_id,
        "certificate_number": issued.number,
        "party": contact["party"],
        "contact_id": contact["_id"],
        "language": contact["language"],
        "channel": EMAIL,
        "at": now,
        "message_id": f"<{id}@example.org>",
        "state": NoticeState.PENDING.value,
        "attempts": 0,
    }


def _member(doc: Mapping[str, Any]) -> Member:
    effective_on = datetime.date.fromisoformat(doc["effective_on"])
    return Member(
        profile=Profile(member_id=doc["_id"], legal_name=doc["legal_name"]),
        status=MembershipStatus(member_id=doc["_id"], good=doc["good"], effective_on=effective_on),
    )


def _grants(doc: Mapping[str, Any]) -> tuple[Grant, ...]:
    def read(name: str, value: Any) -> Any:
        return datetime.date.fromisoformat(value) if name.startswith("valid_") else tuple(value)

    return tuple(Grant(**{name: read(name, value) for name, value in grant.items()}) for grant in doc["grants"])


@functools.cache
def _standards() -> Mapping[tuple[str, str], StandardVersion]:
    from assessment.data.catalogue import load_catalogue  # heavy, and only the assessing process needs it

    return load_catalogue().versions


@functools.cache
def _mandates() -> tuple[Mandate, ...]:
    """The Secretariat's mandate to the rule set for every standard version that is packaged."""
    signed_at = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    standards = tuple(f"{code} {version}" for code, version in _standards())
    signed = {"id": "bench-mandate", "signed_by": "secretariat-bench", "signed_at": signed_at}
    return (Mandate(rule_set=RULE_SET, standards=standards, valid_from=_CENTURY[0], valid_until=_CENTURY[1], **signed),)
