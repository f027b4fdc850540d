"""Audits and their reports as documents."""

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from assessment.domain.audits.audit import Audit, State, Submission
from assessment.domain.audits.report import Summary
from assessment.domain.corrective_actions import PlanReview
from assessment.storage.unit_of_work import Question, Unit
from touchstone_contracts.topology import Index
from touchstone_contracts.values import AuditType, History, Nonconformity, Place, PlanState, Scope, Standard, WaitsFor

AUDITS, REPORTS = "audits", "reports"
COLLECTIONS = (REPORTS,)
INDEXES = (
    Index(collection=AUDITS, keys=[("state", 1), ("_id", 1)]),
    # Not one for each state of a body's and a member's audits: what is under way is little, and each costs a write.
    Index(collection=AUDITS, keys=[("body_id", 1), ("_id", 1)]),
    Index(collection=AUDITS, keys=[("member_id", 1), ("_id", 1)]),
)


class Audits:
    """Audits, and the reports as they were handed in: each of them is written once and never changed."""

    def __init__(self, unit: Unit):
        self._unit = unit

    @staticmethod
    def query_of(id: str | None) -> Question:
        """What `get` reads; nothing, where there is no id."""
        return (AUDITS, {"_id": id or {"$in": []}}, None, 1)

    def get(self, id: str) -> Audit | None:
        document = self._unit.find_one(AUDITS, {"_id": id})
        return _audit(document) if document else None

    @staticmethod
    def query_report(audit: Audit) -> Question:
        """What `report` reads."""
        return (REPORTS, {"_id": _report_id(audit)}, None, 1)

    def report(self, audit: Audit) -> dict[str, Any]:
        """The audit's latest report, as it was handed in."""
        document = self._unit.find_one(REPORTS, {"_id": _report_id(audit)})
        assert document is not None
        report: dict[str, Any] = document["report"]
        return report

    def page(
        self, *, state: State | None, body_id: str | None, member_id: str | None, limit: int, after: str | None
    ) -> list[Audit]:
        """At most `limit` audits by id, beginning behind `after`; None asks for all states, bodies or members."""
        wanted = {"state": state.value if state else None, "body_id": body_id, "member_id": member_id}
        filter: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
        if after is not None:
            filter["_id"] = {"$gt": after}
        # In the order of an index: by id alone, which begins with the body's, the database may look for what is asked
        # for among all audits that follow.
        alike = [(name, 1) for name in ("body_id", "member_id", "state") if name in filter][:1]
        found = self._unit.find(AUDITS, filter, sort=[*alike, ("_id", 1)], limit=limit)
        return [_audit(document) for document in found]

    def unfinished(self, *, id: str | None, limit: int, after: str | None) -> list[Audit]:
        """At most `limit` audits that are not accepted, by id, beginning behind `after`; or the one with that `id`."""
        filter: dict[str, Any] = {"state": {"$in": [State.SUBMITTED.value, State.RETURNED.value]}}
        filter |= {"_id": {"$gt": after or ""}} if id is None else {"_id": id}
        return [_audit(document) for document in self._unit.find(AUDITS, filter, sort=[("_id", 1)], limit=limit)]

    def save(self, audit: Audit, events: Sequence[Any], report: dict[str, Any] | None = None) -> None:
        """Write the audit, and the report with it where one was just handed in."""
        if report is not None:
            document = {"_id": _report_id(audit), "version": 0, "schema_version": 1, "audit_id": audit.id}
            self._unit.save(REPORTS, document | {"report_hash": audit.latest.report_hash, "report": report})
        self._unit.save(AUDITS, _audit_document(audit), events)


def _plain(value: Any) -> Any:
    """A value of the published language as its schema writes it."""
    return value.schema.dump(value)


def _value(kind: Any, document: dict[str, Any]) -> Any:
    return kind.schema.load(document)


def _report_id(audit: Audit) -> str:
    return f"{audit.id}#{len(audit.submissions)}"


def _audit_document(audit: Audit) -> dict[str, Any]:
    return {
        "_id": audit.id,
        "version": audit.version,
        "schema_version": 1,
        "state": audit.state.value if audit.state else None,
        "body_id": audit.summary.body_id,
        "member_id": audit.summary.member_id,
        "summary": _summary_document(audit.summary),
        "nonconformities": [_plain(n) for n in audit.nonconformities],
        "submissions": [vars(submission) | {"reasons": list(submission.reasons)} for submission in audit.submissions],
        "plan_reviews": [_review_document(review) for review in audit.plan_reviews],
        "accepted_by": audit.accepted_by,
        "accepted_at": audit.accepted_at,
        "standard_hash": audit.standard_hash,
        "waits_for": [_plain(one) for one in audit.waits_for],
        "asked_at": audit.asked_at,
        "told_of_waiting": audit.told_of_waiting,
        "history": _plain(audit.history) if audit.history else None,
    }


def _audit(document: dict[str, Any]) -> Audit:
    return Audit(
        id=document["_id"],
        version=document["version"],
        state=State(document["state"]),
        summary=_summary(document["summary"]),
        nonconformities=_nonconformities(document["nonconformities"]),
        submissions=tuple(Submission(**s | {"reasons": tuple(s["reasons"])}) for s in document["submissions"]),
        plan_reviews=tuple(_review(review) for review in document["plan_reviews"]),
        accepted_by=document["accepted_by"],
        accepted_at=document["accepted_at"],
        standard_hash=document.get("standard_hash"),
        waits_for=tuple(_value(WaitsFor, one) for one in document.get("waits_for", ())),  # earlier releases wrote none
        asked_at=document.get("asked_at"),
        told_of_waiting=document.get("told_of_waiting", False),
        history=_value(History, document["history"]) if document["history"] else None,
    )


def _review_document(review: PlanReview) -> dict[str, Any]:
    due_on = review.plan_due_on.isoformat() if review.plan_due_on else None
    return vars(review) | {"plan_state": review.plan_state.value, "plan_due_on": due_on}


def _review(document: dict[str, Any]) -> PlanReview:
    due_on = document["plan_due_on"]
    return PlanReview(
        **document
        | {
            "plan_state": PlanState(document["plan_state"]),
            "plan_due_on": datetime.date.fromisoformat(due_on) if due_on else None,
        }
    )


def _summary_document(summary: Summary) -> dict[str, Any]:
    plain = vars(summary)
    days = {name: value.isoformat() for name, value in plain.items() if isinstance(value, datetime.date)}
    return (
        plain
        | days
        | {
            "audit_type": summary.audit_type.value,
            "standard": _plain(summary.standard),
            "entity": _plain(summary.entity),
            "scope": _plain(summary.scope),
            "team": list(summary.team),
            "nonconformities": [_plain(n) for n in summary.nonconformities],
        }
    )


def _summary(document: dict[str, Any]) -> Summary:
    days = ("audited_from", "audited_until", "report_due_on")
    return Summary(
        **document
        | {name: datetime.date.fromisoformat(document[name]) for name in days}
        | {
            "audit_type": AuditType(document["audit_type"]),
            "standard": _value(Standard, document["standard"]),
            "entity": _value(Place, document["entity"]),
            "scope": _value(Scope, document["scope"]),
            "team": tuple(document["team"]),
            "nonconformities": _nonconformities(document["nonconformities"]),
        }
    )


def _nonconformities(documents: Iterable[dict[str, Any]]) -> tuple[Nonconformity, ...]:
    return tuple(_value(Nonconformity, document) for document in documents)
