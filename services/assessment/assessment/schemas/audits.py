"""What the methods for audits and their reports take; the report itself is read by itself, to find all its faults."""

from typing import Any

from marshmallow import Schema, fields, validate

from assessment.domain.audits.audit import State
from touchstone_contracts.fields import REASON_LENGTH_MAX, Bounded, Matching, Text

AUDIT_ID_PATTERN = r"[a-z0-9][a-z0-9._-]{1,129}\Z"


def audit_id_field(**options: Any) -> Matching:
    return Matching(
        AUDIT_ID_PATTERN, longest=130, code="invalid_id", form="an audit's id: body, dot, report", **options
    )


class SubmitAuditReport(Schema):
    report = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "The audit report; assessment.schemas.report.ReportSchema gives its form."},
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
    audit_id = audit_id_field(required=True)


class ReturnAuditReport(Schema):
    audit_id = audit_id_field(required=True)
    reasons = Bounded(Text(REASON_LENGTH_MAX, lines=True), least=1, most=50, required=True)


class GetAudit(Schema):
    audit_id = audit_id_field(required=True)


class ListAudits(Schema):
    state = fields.Enum(State, by_value=True, load_default=None, allow_none=True)
    limit = fields.Integer(strict=True, load_default=50, validate=validate.Range(1, 200))
    after = audit_id_field(load_default=None, allow_none=True)
