"""The methods for corrective action plans."""

from typing import Any

from assessment.entrypoints.visibility import visible_audit
from assessment.presenters.audits import receipt
from assessment.schemas.corrective_actions import ReviewCorrectiveActionPlan
from assessment.storage.audits import Audits
from touchstone_chassis.api import Stored, command
from touchstone_contracts.callers import Caller
from touchstone_contracts.roles import ASSESSOR


class CorrectiveActionEntrypoints:
    """What becomes of the non-conformities of an accepted report."""

    clock: Any
    audits = Stored(Audits)

    @command(ReviewCorrectiveActionPlan(), roles=(ASSESSOR,))
    def review_corrective_action_plan(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Approve or reject the plan for one non-conformity of an accepted report of the caller's body."""
        audit = visible_audit(self.audits, request["audit_id"], caller)
        events = audit.review_plan(
            request["criterion"],
            request["plan_state"],
            plan_due_on=request["plan_due_on"],
            by=caller.subject,
            at=self.clock.now(),
        )
        self.audits.save(audit, events)
        return receipt(audit)
