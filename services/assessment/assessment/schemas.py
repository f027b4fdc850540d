"""What each method of the service takes, and the service's own settings."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from assessment.catalogue import CatalogueError, load_catalogue
from assessment.domain.audit import REVIEWED, State
from assessment.forms import Bounded, Day, Matching, Text, country, identifier
from touchstone_contracts.values import PlanState

AUDIT_ID_PATTERN = r"[a-z0-9][a-z0-9._-]{1,129}\Z"


def _audit_id(**options: Any) -> Matching:
    return Matching(
        AUDIT_ID_PATTERN, longest=130, code="invalid_id", form="an audit's id: body, dot, report", **options
    )


class _Grant(Schema):
    """Standards x countries x activities, from a first to a last day, both included."""

    name = Text(300, required=True)
    standards = Bounded(Text(16), least=1, most=20, required=True)
    countries = Bounded(country(or_everywhere=True), least=1, most=300, required=True)
    activities = Bounded(Text(16), least=1, most=50, required=True)
    valid_from = Day(required=True)
    valid_until = Day(required=True)

    @validates_schema
    def _days_are_in_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["valid_until"] < data["valid_from"]:
            message = "The last day comes before the first."
            raise ValidationError({"valid_until": [{"code": "date_order", "message": message}]})


class AccreditBody(_Grant):
    body_id = identifier(required=True)


class RegisterAuditor(_Grant):
    auditor_id = identifier(required=True)
    body_ids = Bounded(identifier(), least=1, most=50, required=True)


class SubmitAuditReport(Schema):
    report = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "The audit report; assessment.report_form.ReportForm gives its form."},
    )


class SubmitByMessage(SubmitAuditReport):
    """The same arguments. An idempotency key has no effect here: the message's id takes its place."""

    idempotency_key = Text(200)


class ImportAuditReport(SubmitAuditReport):
    history = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "What is published of the past certificate: issued_on, number, certified_since, …"},
    )


class AcceptAuditReport(Schema):
    audit_id = _audit_id(required=True)


class ReturnAuditReport(Schema):
    audit_id = _audit_id(required=True)
    reasons = Bounded(Text(2_000), least=1, most=50, required=True)


class ReviewCorrectiveActionPlan(Schema):
    audit_id = _audit_id(required=True)
    criterion = Text(16, required=True)
    plan_state = fields.Enum(PlanState, by_value=True, required=True)
    plan_due_on = Day(load_default=None, allow_none=True)

    @validates_schema
    def _a_review_has_an_outcome(self, data: dict[str, Any], **_: Any) -> None:
        if data["plan_state"] not in REVIEWED:
            message = f"Must be one of: {', '.join(state.value for state in REVIEWED)}."
            raise ValidationError({"plan_state": [{"code": "unknown_choice", "message": message}]})


class GetAudit(Schema):
    audit_id = _audit_id(required=True)


class ListAudits(Schema):
    state = fields.Enum(State, by_value=True, load_default=None, allow_none=True)
    limit = fields.Integer(strict=True, load_default=50, validate=validate.Range(1, 200))
    after = _audit_id(load_default=None, allow_none=True)


class GetStandard(Schema):
    code = Text(16, required=True)
    version = Text(16, required=True)


class ListStandards(Schema):
    """Takes nothing: there are few standards."""


class SettingsSchema(Schema):
    """`standards_folder`: the scheme owner's own data files. Loading them is part of the check at the start."""

    standards_folder = Text(4_096, load_default=None, allow_none=True)

    @post_load
    def _load_standards(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        try:
            return data | {"catalogue": load_catalogue(data["standards_folder"])}
        except CatalogueError as error:
            raise ValidationError({"standards_folder": [str(error)]}) from error
