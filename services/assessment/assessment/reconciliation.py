"""What assessment lets a reconciliation compare: which audits there are, and which of them are accepted."""

from collections.abc import Sequence
from typing import Any

from assessment.storage.audits import AUDITS
from assessment.storage.unit_of_work import Unit
from touchstone_chassis.api import ReconciliationDeclarations
from touchstone_contracts.events.assessment import (
    AuditAccepted,
    AuditReportReturned,
    AuditReportSubmitted,
    CorrectiveActionPlanReviewed,
)

_PROJECTION = {"state": 1, "accepted_at": 1}


def audits(unit: Unit, keys: Sequence[str]) -> list[dict[str, Any]]:
    """Those of these audits that are known, and since when they have been accepted (None: they are not)."""
    found = unit.find(AUDITS, {"_id": {"$in": list(keys)}}, projection=_PROJECTION)
    return [{"audit_id": d["_id"], "state": d["state"], "accepted_at": d["accepted_at"]} for d in found]


DECLARATIONS = ReconciliationDeclarations(
    facts={"audits": audits},
    announced_in_full=[[AuditReportSubmitted, AuditReportReturned, AuditAccepted, CorrectiveActionPlanReviewed]],
)
