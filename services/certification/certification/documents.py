"""Turns certification's aggregates into documents and back."""

import datetime
from collections.abc import Mapping
from typing import Any

from certification.domain.audit import Audit, PlanReview, standard_name
from certification.domain.cases import Case, CaseState, Decision
from certification.domain.certificates import Certificate, CertificateRecord, scope_key
from certification.domain.mandates import Authority, Decider, Mandate
from certification.domain.rules import Evaluation, Outcome, Tested, TraceStep
from touchstone_contracts.values import PlanState, Reason


def iso(day: datetime.date | None) -> str | None:
    return day.isoformat() if day else None


def _day(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if text else None


def _dump(value: Any) -> dict[str, Any]:
    return value.schema.dump(value)


def _load(kind: Any, document: dict[str, Any]) -> Any:
    return kind.schema.load(document)


def case_document(case: Case) -> dict[str, Any]:
    return {
        "_id": case.id,
        "version": case.version,
        "schema_version": 1,
        "state": case.state.value,
        "since": case.since,
        "opened_at": case.opened_at,
        "correlation_id": case.correlation_id,
        "member_id": case.audit.member_id,
        "member_name": case.member_name,
        "entity_id": case.audit.entity.id,
        "first_of_entity": case.first_of_entity,
        "body_id": case.audit.body_id,
        "standard": standard_name(case.audit.standard),
        "audit": _dump(case.audit),
        "evaluation": _evaluation_document(case.evaluation) if case.evaluation else None,
        "decision": _decision_document(case.decision) if case.decision else None,
    }


def case_of(document: Mapping[str, Any]) -> Case:
    evaluation, decision = document["evaluation"], document["decision"]
    return Case(
        id=document["_id"],
        audit=_load(Audit, document["audit"]),
        state=CaseState(document["state"]),
        since=document["since"],
        opened_at=document["opened_at"],
        correlation_id=document["correlation_id"],
        member_name=document["member_name"],
        evaluation=_evaluation(evaluation) if evaluation else None,
        decision=_decision(decision) if decision else None,
        first_of_entity=document.get("first_of_entity", False),  # earlier releases wrote none
        version=document["version"],
    )


def _evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "rule_set": evaluation.rule_set,
        "on": evaluation.on.isoformat(),
        "outcome": evaluation.outcome.value,
        "row": evaluation.row,
        "reasons": [_dump(reason) for reason in evaluation.reasons],
        "trace": [trace_document(step) for step in evaluation.trace],
        "expires_on": iso(evaluation.expires_on),
        "until": iso(evaluation.until),
    }


def trace_document(step: TraceStep) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "rule": step.rule,
        "fired": step.fired,
        "tested": [one._asdict() for one in step.tested],
        "findings": list(step.findings),
    }


def _evaluation(document: Mapping[str, Any]) -> Evaluation:
    return Evaluation(
        rule_set=document["rule_set"],
        on=datetime.date.fromisoformat(document["on"]),
        outcome=Outcome(document["outcome"]),
        row=document["row"],
        reasons=tuple(_load(Reason, reason) for reason in document["reasons"]),
        trace=tuple(
            TraceStep(
                kind=step["kind"],
                rule=step["rule"],
                fired=step["fired"],
                tested=tuple(Tested(**one) for one in step["tested"]),
                findings=tuple(step["findings"]),
            )
            for step in document["trace"]
        ),
        expires_on=_day(document["expires_on"]),
        until=_day(document["until"]),
    )


def _decision_document(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": decision.outcome.value,
        "row": decision.row,
        "on": decision.on.isoformat(),
        "at": decision.at,
        "by": {"kind": decision.by.kind.value, "id": decision.by.id, "name": decision.by.name},
        "reasons": [_dump(reason) for reason in decision.reasons],
        "certificate_number": decision.certificate_number,
    }


def _decision(document: Mapping[str, Any]) -> Decision:
    by = document["by"]
    return Decision(
        outcome=Outcome(document["outcome"]),
        row=document["row"],
        on=datetime.date.fromisoformat(document["on"]),
        at=document["at"],
        by=Authority(kind=Decider(by["kind"]), id=by["id"], name=by["name"]),
        reasons=tuple(_load(Reason, reason) for reason in document["reasons"]),
        certificate_number=document["certificate_number"],
    )


def certificate_document(certificate: Certificate) -> dict[str, Any]:
    """`record` is what is on record; the fields beside it are for indexes."""
    record = certificate.record
    return {
        "_id": certificate.id,
        "version": certificate.version,
        "schema_version": 1,
        "open": certificate.open,
        "expiry_announced": certificate.expiry_announced,
        "number": record.number,
        "audit_id": record.audit_id,
        "member_id": record.member_id,
        "entity_id": record.entity.id,
        "standard_code": record.standard.code,
        "scope_key": scope_key(record.scope),
        "issued_on": record.issued_on.isoformat(),
        "expires_on": record.expires_on.isoformat(),
        "record": _dump(record),
    }


def certificate_of(document: Mapping[str, Any]) -> Certificate:
    return Certificate(
        id=document["_id"],
        record=_load(CertificateRecord, document["record"]),
        open=document["open"],
        expiry_announced=document["expiry_announced"],
        version=document["version"],
    )


def mandate_document(mandate: Mandate) -> dict[str, Any]:
    return {
        "_id": mandate.id,
        "version": mandate.version,
        "schema_version": 1,
        "rule_set": mandate.rule_set,
        "standards": list(mandate.standards),
        "valid_from": mandate.valid_from.isoformat(),
        "valid_until": mandate.valid_until.isoformat(),
        "signed_by": mandate.signed_by,
        "signed_at": mandate.signed_at,
    }


def mandate_of(document: Mapping[str, Any]) -> Mandate:
    return Mandate(
        id=document["_id"],
        rule_set=document["rule_set"],
        standards=tuple(document["standards"]),
        valid_from=datetime.date.fromisoformat(document["valid_from"]),
        valid_until=datetime.date.fromisoformat(document["valid_until"]),
        signed_by=document["signed_by"],
        signed_at=document["signed_at"],
        version=document["version"],
    )


def review_of(document: Mapping[str, Any]) -> PlanReview:
    return PlanReview(
        audit_id=document["audit_id"],
        criterion=document["criterion"],
        plan_state=PlanState(document["plan_state"]),
        plan_due_on=_day(document["plan_due_on"]),
    )
