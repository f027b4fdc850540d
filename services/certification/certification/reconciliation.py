"""What certification lets a reconciliation compare: cases, decisions and what came of them; and how they are now."""

import datetime
from collections.abc import Sequence
from typing import Any

from certification.application.publish_rule_set import rule_set_published
from certification.domain.cases.case import CaseState
from certification.storage.cases import case_of
from certification.storage.certificates import certificate_of
from certification.storage.jobs import EXPIRY, PLAN_DUE, expiry_due, hold_ends
from certification.storage.rule_sets import RuleSets
from touchstone_chassis.api import (
    Due,
    PresentState,
    ReconciliationDeclarations,
    find_events,
    ids_in,
    missing_jobs,
)
from touchstone_contracts.events.certification import (
    CaseRecorded,
    CertificateIssued,
    CertificateRecorded,
    CertificationRefused,
    RuleSetPublished,
)
from touchstone_contracts.publications import ONLY_SEQUENCE
from touchstone_contracts.values import AuditType
from touchstone_contracts.versions import versions

_CASE = {
    "state": 1,
    "audit.audit_type": 1,
    "evaluation.until": 1,
    "decision.outcome": 1,
    "decision.certificate_number": 1,
}
_CERTIFICATE = {"audit_id": 1, "number": 1, "open": 1}


def cases(unit: Any, keys: Sequence[str]) -> list[dict[str, Any]]:
    """What came of these audits: the case, its decision, certificates, and the events that told of a decision."""
    wanted = list(keys)
    found = {key: _nothing(key) for key in wanted}
    for document in unit.find("cases", {"_id": {"$in": wanted}}, projection=_CASE):
        decision = document.get("decision") or {}
        found[document["_id"]] |= {
            "state": document["state"],
            "outcome": decision.get("outcome"),
            "number": decision.get("certificate_number"),
            "follows": document["audit"]["audit_type"] != AuditType.INITIAL.value,
        }
    _add_lacking_plan_dues(unit, found)
    certificates = unit.find("certificates", {"audit_id": {"$in": wanted}}, projection=_CERTIFICATE)
    for document in certificates:
        found[document["audit_id"]]["certificates"].append(document["number"])
    _add_changed(unit, [fact for fact in found.values() if fact["follows"] and fact["number"] is not None])
    _add_announcements(unit, found, {document["_id"]: document["audit_id"] for document in certificates})
    _add_lacking_expiries(unit, found, {d["_id"]: d["audit_id"] for d in certificates if d["open"]})
    return list(found.values())


def certificates(unit: Any, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Which audits these certificates (by id) rest on."""
    found = unit.find("certificates", {"_id": {"$in": list(keys)}}, projection=_CERTIFICATE)
    return [{"certificate_id": d["_id"], "audit_id": d["audit_id"], "number": d["number"]} for d in found]


def _nothing(audit_id: str) -> dict[str, Any]:
    return {
        "audit_id": audit_id,
        "state": None,
        "outcome": None,
        "number": None,
        "certificates": [],
        "announced": [],
        "follows": False,
        "lacks_expiry": [],
        "lacks_plan_due": False,
    }


def _add_changed(unit: Any, following: list[dict[str, Any]]) -> None:
    """The certificates that audits which follow one were about: each was issued after another audit."""
    wanted = {"number": {"$in": [fact["number"] for fact in following]}}
    there = {document["number"] for document in unit.find("certificates", wanted, projection=_CERTIFICATE)}
    for fact in following:
        fact["certificates"] = [fact["number"]] if fact["number"] in there else []


def _add_announcements(unit: Any, found: dict[str, dict[str, Any]], audits: dict[str, str]) -> None:
    """A decision is told by the certificate that was issued, or by the refusal of the case."""
    deciding: list[Any] = [CertificateIssued, CertificationRefused]
    types = [version.type_name for event in deciding for version in versions(event)]
    about = {"subject": {"$in": [*found, *audits]}, "type": {"$in": types}}
    for row in find_events(unit, about, projection={"subject": 1}):
        found[audits.get(row["subject"], row["subject"])]["announced"].append(row["_id"])


def _add_lacking_expiries(unit: Any, found: dict[str, dict[str, Any]], opened: dict[str, str]) -> None:
    lacking = missing_jobs(unit, EXPIRY, list(opened))
    # Closing a certificate and ending its job are one commit: what is still open now does lack it.
    for document in unit.find("certificates", {"_id": {"$in": sorted(lacking)}, "open": True}, projection=_CERTIFICATE):
        found[document["audit_id"]]["lacks_expiry"].append(document["_id"])


def _add_lacking_plan_dues(unit: Any, found: dict[str, dict[str, Any]]) -> None:
    """Cases that are held until a day, and that nothing would look at when it is over."""
    held = [key for key, fact in found.items() if fact["state"] == CaseState.HELD.value]
    lacking = missing_jobs(unit, PLAN_DUE, held)
    # A hold and its deadline begin and end in one commit each: what is still held until a day now does lack it.
    for document in unit.find("cases", {"_id": {"$in": sorted(lacking)}}, projection=_CASE):
        found[document["_id"]]["lacks_plan_due"] = _held_until(document) is not None


def _held_until(document: dict[str, Any]) -> datetime.date | None:
    until = (document.get("evaluation") or {}).get("until")
    return datetime.date.fromisoformat(until) if until and document["state"] == CaseState.HELD.value else None


def due_plan(unit: Any, audit_id: str) -> Due | None:
    """When a case that is held until a day is to be looked at again. A look changes nothing that is decided."""
    document = unit.find_one("cases", {"_id": audit_id}, {"correlation_id": 1, **_CASE})
    until = _held_until(document) if document else None
    return (hold_ends(until), {"correlation_id": document["correlation_id"]}) if until else None


def due_expiry(unit: Any, certificate_id: str) -> Due | None:
    """When a certificate's end is to be announced, if that is still to come. The handler does nothing twice."""
    document = unit.find_one("certificates", {"_id": certificate_id})
    case = unit.find_one("cases", {"_id": document["audit_id"]}, {"correlation_id": 1}) if document else None
    if document is None or case is None or not document["open"] or document["expiry_announced"]:
        return None
    due: datetime.datetime = expiry_due(certificate_of(document))
    return due, {"correlation_id": case["correlation_id"]}


def present_case(unit: Any, audit_id: str) -> tuple[CaseRecorded, int] | None:
    """A case as it is now; with the version that this is."""
    document = unit.find_one("cases", {"_id": audit_id})
    return (case_of(document).recorded(), document["version"]) if document else None


def present_certificate(unit: Any, certificate_id: str) -> tuple[CertificateRecorded, int] | None:
    """A certificate as it is now; with the version that this is."""
    document = unit.find_one("certificates", {"_id": certificate_id})
    return (certificate_of(document).recorded(), document["version"]) if document else None


def present_rule_set(unit: Any, key: str) -> tuple[RuleSetPublished, int] | None:
    """A rule set as it was published: one that came with a release was announced by nothing."""
    found = RuleSets(unit).by_key(key)
    return (rule_set_published(found), ONLY_SEQUENCE) if found else None


DECLARATIONS = ReconciliationDeclarations(
    facts={"cases": cases, "certificates": certificates},
    deadlines={EXPIRY: due_expiry, PLAN_DUE: due_plan},
    present={
        CaseRecorded: PresentState(of=present_case, ids=ids_in("cases")),
        CertificateRecorded: PresentState(of=present_certificate, ids=ids_in("certificates")),
        RuleSetPublished: PresentState(of=present_rule_set, ids=ids_in(RuleSets.collection)),
    },
)
