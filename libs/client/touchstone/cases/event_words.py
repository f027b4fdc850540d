"""Says in words what happened, from an event's type and the facts that tell of it."""

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "assessment.audit_report_submitted": "report {report_id} submitted",
    "assessment.audit_report_refused": "report refused: {code}",
    "assessment.audit_report_returned": "report returned to the body: {reasons}",
    "assessment.audit_accepted": "report accepted by {accepted_by}",
    "assessment.corrective_action_plan_reviewed": "plan for {criterion} {plan_state}",
    "certification.certificate_issued": "certificate {number} issued ({level}), decided by {decided_by}",
    "certification.certification_refused": "certification refused, decided by {decided_by}: {reasons}",
    "certification.certification_held": "decision held: {reasons}",
    "certification.certificate_expired": "certificate {number} expired",
    "notification.notice_sent": "notice of {notice_type} sent to {contact_id}",
    "membership.membership_activated": "membership of {member_id} activated",
    "membership.membership_suspended": "membership of {member_id} suspended",
    "membership.membership_reinstated": "membership of {member_id} reinstated",
    "membership.contact_changed": "contact {contact_id} changed",
}


class _Facts(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "?"


def words_for(type_name: str, facts: Mapping[str, Any]) -> str:
    """`certification.certificate_issued.v1` and its facts as `certificate 195 issued (full), decided by ...`.

    A type that has no words of its own here is named as it is.
    """
    name = type_name.rpartition(".v")[0]
    known = _Facts({key: _text(value) for key, value in facts.items()})
    if name not in _WORDS:
        return name.rpartition(".")[2].replace("_", " ") or "an unnamed event"
    return _WORDS[name].format_map(known)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(one["text"] if isinstance(one, Mapping) and "text" in one else one) for one in value)
    return str(value).replace("_", " ") if isinstance(value, str) and value.islower() else str(value)


def age(seconds: float) -> str:
    """`12 s`, `3 min`, `5 h`, `9 d`."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds // length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
