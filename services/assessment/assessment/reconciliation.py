"""What assessment lets a reconciliation compare: which audits there are, and which of them are accepted."""

from collections.abc import Sequence
from typing import Any

from assessment.application.publish_standard import standard_published
from assessment.storage.audits import AUDITS
from assessment.storage.standards import Standards
from assessment.storage.unit_of_work import Unit
from touchstone_chassis.api import PresentState, ReconciliationDeclarations, ids_in
from touchstone_contracts.events.assessment import (
    AuditAccepted,
    AuditReportReturned,
    AuditReportSubmitted,
    AuditReportWaiting,
    CorrectiveActionPlanReviewed,
    StandardPublished,
)
from touchstone_contracts.publications import ONLY_SEQUENCE

_PROJECTION = {"state": 1, "accepted_at": 1}


def audits(unit: Unit, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Those of these audits that are known, and since when they have been accepted (None: they are not)."""
    found = unit.find(AUDITS, {"_id": {"$in": list(keys)}}, projection=_PROJECTION)
    return [{"audit_id": d["_id"], "state": d["state"], "accepted_at": d["accepted_at"]} for d in found]


def present_standard(unit: Unit, key: str) -> tuple[StandardPublished, int] | None:
    """A standard as it was published: one that came with a release was announced by nothing."""
    found = Standards(unit).by_key(key)
    return (standard_published(found), ONLY_SEQUENCE) if found else None


DECLARATIONS = ReconciliationDeclarations(
    facts={"audits": audits},
    announced_in_full=[
        [
            AuditReportSubmitted,
            AuditReportWaiting,
            AuditReportReturned,
            AuditAccepted,
            CorrectiveActionPlanReviewed,
        ]
    ],
    present={StandardPublished: PresentState(of=present_standard, ids=ids_in(Standards.collection))},
)
