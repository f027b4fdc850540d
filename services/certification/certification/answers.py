"""What outsiders are shown of cases, certificates and mandates: the JSON of the service's answers."""

import datetime
from collections.abc import Sequence
from typing import Any

from certification.documents import trace_document
from certification.domain.cases import Case, CaseState, Decision
from certification.domain.certificates import Certificate, Status
from certification.domain.mandates import Mandate
from touchstone_contracts.values import Reason

_WAITS_FOR = {
    CaseState.AWAITING_MEMBER: "member",
    CaseState.AWAITING_DECISION: "decision",
    CaseState.HELD: "what_is_missing",
}


def mandate(given: Mandate) -> dict[str, Any]:
    standards = [dict(zip(("code", "version"), name.split(" ", 1), strict=True)) for name in given.standards]
    return {
        "mandate_id": given.id,
        "rule_set": given.rule_set,
        "standards": standards,
        "valid_from": given.valid_from.isoformat(),
        "valid_until": given.valid_until.isoformat(),
        "signed_by": given.signed_by,
        "signed_at": given.signed_at.isoformat(),
    }


def case_summary(case: Case) -> dict[str, Any]:
    """A case in a list. `member_name` is null until the member has arrived."""
    audit, decision = case.audit, case.decision
    return {
        "case_id": case.id,
        "audit_id": audit.audit_id,
        "state": case.state.value,
        "since": case.since.isoformat(),
        "opened_at": case.opened_at.isoformat(),
        "audit_type": audit.audit_type.value,
        "standard": plain(audit.standard),
        "member_id": audit.member_id,
        "member_name": case.member_name,
        "entity": plain(audit.entity),
        "body_id": audit.body_id,
        "body_name": audit.body_name,
        "outcome": decision.outcome.value if decision else None,
        "certificate_number": decision.certificate_number if decision else None,
    }


def case_in_full(case: Case) -> dict[str, Any]:
    """A case with what it waits for, what the rules make of it and why, and its decision."""
    evaluation = case.evaluation
    return {
        **case_summary(case),
        "report_id": case.audit.report_id,
        "report_hash": case.audit.report_hash,
        "imported": case.audit.history is not None,
        "waits": waits(case),
        "reasons": reasons(evaluation.reasons) if evaluation else [],
        "row": evaluation.row if evaluation else None,
        "rule_set": evaluation.rule_set if evaluation else None,
        "trace": [trace_document(step) for step in evaluation.trace] if evaluation else [],
        "decision": _decision(case.decision) if case.decision else None,
    }


def waits(case: Case) -> dict[str, Any] | None:
    """`for`: `member`, `decision` (of a person or a mandate; `proposed` is what the rules say) or `what_is_missing`."""
    if case.state is CaseState.DECIDED:
        return None
    evaluation = case.evaluation
    proposed = evaluation.outcome.value if evaluation and case.state is CaseState.AWAITING_DECISION else None
    until = evaluation.until if evaluation else None
    return {
        "for": _WAITS_FOR[case.state],
        "since": case.since.isoformat(),
        "until": until.isoformat() if until else None,
        "proposed": proposed,
    }


def certificate(given: Certificate, *, today: datetime.date) -> dict[str, Any]:
    """The public record; `status` as of `today`."""
    record = given.record
    return {
        "certificate_id": given.id,
        "number": record.number,
        "certificate_version": record.certificate_version,
        "status": given.status_on(today).value,
        "level": record.level.value,
        "standard": plain(record.standard),
        "member_id": record.member_id,
        "member_name": record.member_name,
        "entity": plain(record.entity),
        "scope": plain(record.scope),
        "body_id": record.body_id,
        "body_name": record.body_name,
        "issued_on": record.issued_on.isoformat(),
        "expires_on": record.expires_on.isoformat(),
        "certified_since": record.certified_since.isoformat(),
        "audit_id": record.audit_id,
        "decided_by": record.decided_by,
        "rule_set": record.rule_set,
        "source": record.source,
    }


def verification(number: int, found: Certificate | None, *, on: datetime.date) -> dict[str, Any]:
    """Whether certificate `number` is valid on a day. An unknown number is answered too: `unknown`, not valid."""
    if found is None:
        empty = dict.fromkeys(("level", "standard", "holder", "entity", "issued_on", "expires_on"))
        reason = "No certificate carries this number."
        return {"number": number, "valid": False, "status": "unknown", **empty, "on": on.isoformat(), "reason": reason}
    record, status = found.record, found.status_on(on)
    return {
        "number": number,
        "valid": status is Status.VALID,
        "status": status.value,
        "level": record.level.value,
        "standard": plain(record.standard),
        "holder": record.member_name,
        "entity": plain(record.entity),
        "issued_on": record.issued_on.isoformat(),
        "expires_on": record.expires_on.isoformat(),
        "on": on.isoformat(),
        "reason": _REASONS[status].format(issued_on=record.issued_on, expires_on=record.expires_on),
    }


_REASONS = {
    Status.VALID: "Valid from {issued_on} until {expires_on}.",
    Status.EXPIRED: "Expired: its last day was {expires_on}.",
    Status.NOT_YET_VALID: "Not valid before {issued_on}.",
}


def reasons(given: Sequence[Reason]) -> list[dict[str, str]]:
    return [{"rule": one.rule, "code": one.code, "text": one.text} for one in given]


def plain(value: Any) -> dict[str, Any]:
    """A value of the published language as it looks on the wire."""
    return value.schema.dump(value)


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": decision.outcome.value,
        "row": decision.row,
        "decided_on": decision.on.isoformat(),
        "decided_at": decision.at.isoformat(),
        "decided_by": decision.by.name,
        "decider": {"kind": decision.by.kind.value, "id": decision.by.id},
        "reasons": reasons(decision.reasons),
        "certificate_number": decision.certificate_number,
    }
