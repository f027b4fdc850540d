"""What outsiders are shown of cases."""

from collections.abc import Sequence
from typing import Any

from certification.domain.cases.case import Case, CaseState, Decision
from certification.domain.rules.evaluator import Evaluation
from certification.presenters.values import plain
from touchstone_contracts.values import Reason

_WAITS_FOR = {
    CaseState.AWAITING_MEMBER: "member",
    CaseState.AWAITING_DECISION: "decision",
    CaseState.HELD: "what_is_missing",
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
        "rule_set_id": evaluation.rule_set_id if evaluation else None,
        "rule_set_hash": evaluation.rule_set_hash if evaluation else None,
        "trace": [step.as_dict() for step in evaluation.trace] if evaluation else [],
        "decision": _decision(case.decision, evaluation) if case.decision and evaluation else None,
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


def reasons(given: Sequence[Reason]) -> list[dict[str, str]]:
    return [{"rule": one.rule, "code": one.code, "text": one.text} for one in given]


def _decision(decision: Decision, evaluation: Evaluation) -> dict[str, Any]:
    """With the rule set that it was made by; `id` and `hash` are null of a decision of 0.1, which kept neither."""
    rule_set = {"id": evaluation.rule_set_id, "version": evaluation.rule_set, "hash": evaluation.rule_set_hash}
    return {
        "rule_set": rule_set,
        "outcome": decision.outcome.value,
        "row": decision.row,
        "decided_on": decision.on.isoformat(),
        "decided_at": decision.at.isoformat(),
        "decided_by": decision.by.name,
        "decider": {"kind": decision.by.kind.value, "id": decision.by.id},
        "reasons": reasons(decision.reasons),
        "certificate_number": decision.certificate_number,
    }
