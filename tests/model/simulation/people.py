"""What people do in the model: a handful of members, bodies, persons to tell, and reports of every kind."""

import copy
import datetime
import functools
from typing import Any

from simulation.system import REGISTRARS, System, body

from assessment.data.catalogue import load_catalogue
from assessment.entrypoints.audits import INTAKE
from touchstone_testing.reference_data import a_later_rule_set

MEMBERS = ("m-1", "m-2")
ENTITIES = ("m-1-works", "m-1-mill", "m-1-line", "m-2-works")
BODIES = ("b-1", "b-2")
AUDITORS = ("a-1", "a-2")
CONTACTS = {
    "c-1": ("member", "m-1"),
    "c-2": ("member", "m-1"),
    "c-3": ("member", "m-2"),
    "c-4": ("body", "b-1"),
    "c-5": ("secretariat", "secretariat"),
    "c-6": ("secretariat", "secretariat"),
}
STANDARDS = (("COC", "2.0", "OMS"), ("COC", "2.0", "CST"), ("PS", "3.0", "OMS"))
"""Code, version, activity. Chain of custody of a casthouse needs a Performance Standard certificate first."""
ACTIVITIES = ("OMS", "CST")
FINDINGS = {
    "conforming": [],
    "minor, plan approved": [("minor_nonconformity", "approved")],
    "minor, plan to come": [("minor_nonconformity", "submitted")],
    "major, plan approved": [("major_nonconformity", "approved")],
    "major, plan to come": [("major_nonconformity", "submitted")],
    "too many majors": [("major_nonconformity", "approved")] * 4,
    "critical breach": [("critical_breach", "approved")],
}
RECOMMENDED = {
    "major, plan approved": "certify_provisionally",
    "major, plan to come": "certify_provisionally",
    "too many majors": "do_not_certify",
    "critical breach": "do_not_certify",
}
STATEMENTS = (
    "information_true",
    "findings_evidence_based",
    "scope_and_method_sufficient",
    "confidential_and_impartial",
)


def accredit(system: System) -> None:
    """Both bodies and both auditors, for everything and for long."""
    grant = {
        "standards": ["PS", "COC"],
        "countries": ["*"],
        "activities": ["OMS", "CST"],
        "valid_from": "2018-01-01",
        "valid_until": "2090-12-31",
    }
    for id in BODIES:
        system.call("assessment", "accredit_body", body_id=id, name=id, **grant)
    for id in AUDITORS:
        system.call("assessment", "register_auditor", auditor_id=id, name=id, body_ids=list(BODIES), **grant)


def change_membership(system: System, member: str, action: str, **trouble: Any) -> Any:
    """register, activate, suspend or reinstate."""
    if action == "register":
        organisation = {"member_id": member, "legal_name": f"{member} Ltd", "member_class": "PT", "country": "DE"}
        return system.call("membership", "register_organisation", **organisation, **trouble)
    reasons = {"reasons": ["Fee overdue."]} if action == "suspend" else {}
    return system.call("membership", action, member_id=member, **reasons, **trouble)


def register_sites(system: System) -> None:
    """Each entity with a facility for each activity; and the records of them are heard."""
    place = {"name": "Works", "country": "DE"}
    for entity in ENTITIES:
        of = {"entity_id": entity, "member_id": entity[:3], "activities": list(ACTIVITIES)}
        system.call("membership", "register_entity", **of, **place)
        for activity in ACTIVITIES:
            of = {"facility_id": f"{entity}-{activity.lower()}", "entity_id": entity, "activities": [activity]}
            system.call("membership", "register_facility", **of, **place)
    system.settle()


def set_contact(system: System, contact: str, *, active: bool, language: str = "en", **trouble: Any) -> Any:
    kind, id = CONTACTS[contact]
    person = {
        "contact_id": contact,
        "party": {"kind": kind, "id": id},
        "name": "A. Person",
        "address": f"{contact}@example.org",
        "roles": ["certification"],
        "language": language,
        "channels": ["email"],
        "active": active,
    }
    return system.call("membership", "set_contact", **person, **trouble)


def report(
    number: int, *, body_id: str, entity: str, standard: int, findings: str, audited_until: datetime.date
) -> dict[str, Any]:
    """A report with nothing wrong in its form. Its member is the entity's."""
    code, version, activity = STANDARDS[standard]
    rated = copy.deepcopy(_conforming(code, version, activity))
    for finding, (rating, state) in zip(rated, FINDINGS[findings], strict=False):
        finding |= {"rating": rating, "plan": {"state": state}}
    day = audited_until.isoformat()
    return {
        "report_id": f"r-{number}",
        "body_id": body_id,
        "audit_type": "initial",
        "standard": {"code": code, "version": version},
        "member_id": entity[:3],
        "entity": {"id": entity, "name": entity, "country": "DE"},
        "scope": {
            "type": "facility",
            "text": "Works",
            "activities": [activity],
            "facilities": [{"id": f"{entity}-{activity.lower()}", "name": entity, "country": "DE"}],
        },
        "team": [{"auditor_id": "a-1", "role": "lead"}, {"auditor_id": "a-2", "role": "auditor"}],
        "audited_from": day,
        "audited_until": day,
        "maturity": {"systems": "high", "risk": "medium", "performance": "high"},
        "statements": dict.fromkeys(STATEMENTS, True),
        "recommendation": RECOMMENDED.get(findings, "certify"),
        "findings": rated,
    }


def submit(system: System, given: dict[str, Any], *, by_message: bool = False, **trouble: Any) -> Any:
    """A body hands in its report, by a call or by a message."""
    if by_message:
        return system.send(INTAKE, {"report": given}, body(given["body_id"]))
    return system.call("assessment", "submit_audit_report", body(given["body_id"]), report=given, **trouble)


def import_past(system: System, given: dict[str, Any], *, number: int | None, notify: bool, **trouble: Any) -> Any:
    """The registrar enters a report of the past with its published certificate."""
    history = {"issued_on": given["audited_until"], "number": number, "source": "published", "notify": notify}
    return system.call("assessment", "import_audit_report", REGISTRARS, report=given, history=history, **trouble)


def review_plan(system: System, audit: dict[str, Any], *, approved: bool, **trouble: Any) -> Any:
    """The body decides on the first plan that is open; None when there is none."""
    open_plans = [n["criterion"] for n in audit["nonconformities"] if n["plan_state"] != "approved"]
    if not open_plans:
        return None
    review = {"criterion": open_plans[0], "plan_state": "approved" if approved else "rejected"}
    caller = body(audit["body_id"])
    return system.call(
        "assessment", "review_corrective_action_plan", caller, audit_id=audit["_id"], **review, **trouble
    )


def publish_rule_set(system: System, *, from_day: datetime.date, **trouble: Any) -> Any:
    """The next version; it differs from the others in how long a full certificate lasts."""
    version = len(system.documents("certification", "rule_sets")) + 1
    document = a_later_rule_set(from_day.isoformat(), full_years=1 + version % 4) | {"version": version}
    return system.call("certification", "publish_rule_set", document=document, **trouble)


def sign_mandate(system: System, standard: int, *, from_day: datetime.date, **trouble: Any) -> Any:
    """For the newest rule set, be it effective already or not."""
    code, version, _ = STANDARDS[standard]
    order = {
        "rule_set": len(system.documents("certification", "rule_sets")),
        "standards": [{"code": code, "version": version}],
    }
    days = {"valid_from": from_day.isoformat(), "valid_until": "2090-12-31"}
    return system.call("certification", "sign_mandate", **order, **days, **trouble)


@functools.cache
def _conforming(code: str, version: str, activity: str) -> list[dict[str, Any]]:
    standard = load_catalogue().find(code, version)
    assert standard is not None
    return [{"criterion": c.code, "rating": "conformance", "comment": "Seen."} for c in standard.applicable([activity])]
