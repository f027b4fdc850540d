"""The newest word on each corrective action plan, in the database; it may come before its case."""

from collections.abc import Mapping
from typing import Any

from certification.domain.audits import PlanReview
from certification.storage.values import day, iso
from touchstone_contracts.topology import Index
from touchstone_contracts.values import PlanState

INDEXES = (Index(collection="plan_reviews", keys=[("audit_id", 1)]),)


class PlanReviews:
    def __init__(self, unit: Any):
        self._unit = unit

    def of_audit(self, audit_id: str) -> tuple[PlanReview, ...]:
        return tuple(_review(d) for d in self._unit.find("plan_reviews", {"audit_id": audit_id}))

    def keep(self, review: PlanReview, sequence: int) -> None:
        document = {
            "_id": f"{review.audit_id}/{review.criterion}",
            "sequence": sequence,
            "audit_id": review.audit_id,
            "criterion": review.criterion,
            "plan_state": review.plan_state.value,
            "plan_due_on": iso(review.plan_due_on),
        }
        self._unit.upsert_read_model("plan_reviews", document)


def _review(document: Mapping[str, Any]) -> PlanReview:
    return PlanReview(
        audit_id=document["audit_id"],
        criterion=document["criterion"],
        plan_state=PlanState(document["plan_state"]),
        plan_due_on=day(document["plan_due_on"]),
    )
