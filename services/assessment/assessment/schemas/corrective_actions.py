"""What the methods for corrective action plans take."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from assessment.domain.corrective_actions import REVIEWED
from assessment.schemas.audits import audit_id_field
from touchstone_contracts.fields import Code
from touchstone_contracts.moments import Day
from touchstone_contracts.values import PlanState


class ReviewCorrectiveActionPlan(Schema):
    audit_id = audit_id_field(required=True)
    criterion = Code(16, required=True)
    plan_state = fields.Enum(PlanState, by_value=True, required=True)
    plan_due_on = Day(load_default=None, allow_none=True)

    @validates_schema
    def _a_review_has_an_outcome(self, data: dict[str, Any], **_: Any) -> None:
        if data["plan_state"] not in REVIEWED:
            message = f"Must be one of: {', '.join(state.value for state in REVIEWED)}."
            raise ValidationError({"plan_state": [{"code": "unknown_choice", "message": message}]})
