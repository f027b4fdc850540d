"""Certification cases in the database, by the audit's id."""

import datetime
from collections.abc import Mapping
from typing import Any

from certification.domain.audits import Audit, standard_name
from certification.domain.cases.case import Case, CaseState, Decision
from certification.domain.mandates import Authority, Decider
from certification.domain.rules.evaluator import Evaluation, Tested, TraceStep
from certification.domain.rules.rule_set import Outcome
from certification.storage.unit_of_work import Question
from certification.storage.values import day, dump, iso, load
from touchstone_contracts.topology import Index
from touchstone_contracts.values import Reason

INDEXES = (
    Index(collection="cases", keys=[("state", 1), ("_id", 1)]),
    Index(collection="cases", keys=[("member_id", 1), ("_id", 1)]),
    Index(collection="cases", keys=[("body_id", 1), ("_id", 1)]),
    Index(collection="cases", keys=[("entity_id", 1), ("_id", 1)]),
    # Two cases of an entity that are opened at the same time, neither seeing the other: one is dealt with again.
    Index(collection="cases", keys=[("entity_id", 1)], unique=True, partial={"first_of_entity": True}),
)
UNDECIDED = [CaseState.AWAITING_MEMBER.value, CaseState.AWAITING_DECISION.value, CaseState.HELD.value]


class Cases:
    def __init__(self, unit: Any):
        self._unit = unit

    def get(self, case_id: str) -> Case | None:
        document = self._unit.find_one("cases", {"_id": case_id})
        return case_of(document) if document else None

    def save(self, case: Case, events: list[Any]) -> None:
        """With its record, whatever `events` tell."""
        self._unit.save("cases", case_document(case), [*events, case.recorded()])

    def listed(self, filter: Mapping[str, Any], *, after: str | None, limit: int) -> list[Case]:
        """Cases by id, from the one after `after`. `filter` compares state, member_id or body_id."""
        beyond = {"_id": {"$gt": after}} if after else {}
        # In the order of an index: by id alone, which begins with the body's, the database may look for what is asked
        # for among all cases that follow.
        alike = [(name, 1) for name in ("body_id", "member_id", "state") if isinstance(filter.get(name), str)][:1]
        found = self._unit.find("cases", {**filter, **beyond}, sort=[*alike, ("_id", 1)], limit=limit)
        return [case_of(document) for document in found]

    def unfinished(self, *, id: str | None, after: str | None, limit: int) -> list[Case]:
        """Undecided cases by id, from the one after `after`; or the one with that `id`."""
        filter: dict[str, Any] = {"state": {"$in": UNDECIDED}}
        return self.listed(filter | ({"_id": id} if id else {}), after=None if id else after, limit=limit)

    @staticmethod
    def query_others(case: Case) -> Question:
        """What `has_others` reads."""
        return ("cases", {"entity_id": case.audit.entity.id}, {"_id": 1}, 2)

    def has_others(self, case: Case) -> bool:
        """Whether there is another case of the same entity."""
        found = self._unit.find("cases", {"entity_id": case.audit.entity.id}, limit=2, projection={"_id": 1})
        return any(document["_id"] != case.id for document in found)

    def undecided(self, filter: Mapping[str, Any], *, after: str, limit: int) -> list[tuple[str, str]]:
        """Ids and correlation ids of undecided cases, by id.

        `filter` compares member_id, entity_id, or standard (a name such as `PS 3.0`).
        """
        found = self._unit.find(
            "cases",
            {**filter, "state": {"$in": UNDECIDED}, "_id": {"$gt": after}},
            sort=[("_id", 1)],
            limit=limit,
            projection={"_id": 1, "correlation_id": 1},
        )
        return [(document["_id"], document["correlation_id"]) for document in found]


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
        "audit": dump(case.audit),
        "evaluation": _evaluation_document(case.evaluation) if case.evaluation else None,
        "decision": _decision_document(case.decision) if case.decision else None,
    }


def case_of(document: Mapping[str, Any]) -> Case:
    evaluation, decision = document["evaluation"], document["decision"]
    return Case(
        id=document["_id"],
        audit=load(Audit, document["audit"]),
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
        "rule_set_id": evaluation.rule_set_id,
        "rule_set_hash": evaluation.rule_set_hash,
        "on": evaluation.on.isoformat(),
        "outcome": evaluation.outcome.value,
        "row": evaluation.row,
        "reasons": [dump(reason) for reason in evaluation.reasons],
        "trace": [step.as_dict() for step in evaluation.trace],
        "expires_on": iso(evaluation.expires_on),
        "until": iso(evaluation.until),
    }


def _evaluation(document: Mapping[str, Any]) -> Evaluation:
    return Evaluation(
        rule_set=document["rule_set"],
        rule_set_id=document.get("rule_set_id"),  # 0.1 wrote neither
        rule_set_hash=document.get("rule_set_hash"),
        on=datetime.date.fromisoformat(document["on"]),
        outcome=Outcome(document["outcome"]),
        row=document["row"],
        reasons=tuple(load(Reason, reason) for reason in document["reasons"]),
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
        expires_on=day(document["expires_on"]),
        until=day(document["until"]),
    )


def _decision_document(decision: Decision) -> dict[str, Any]:
    return {
        "outcome": decision.outcome.value,
        "row": decision.row,
        "on": decision.on.isoformat(),
        "at": decision.at,
        "by": {"kind": decision.by.kind.value, "id": decision.by.id, "name": decision.by.name},
        "reasons": [dump(reason) for reason in decision.reasons],
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
        reasons=tuple(load(Reason, reason) for reason in document["reasons"]),
        certificate_number=document["certificate_number"],
    )
