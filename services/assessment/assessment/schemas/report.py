"""An audit report, and a past certificate's history: their form and bounds. What they say is checked in the domain."""

from typing import Any

from marshmallow import Schema, fields, validate

from assessment.domain.audits.report import STATEMENTS
from touchstone_contracts.fields import NAME_LENGTH_MAX, Bounded, Code, Country, Matching, Text, Truth, identifier
from touchstone_contracts.moments import Day

FINDINGS_MAX = 200
FACILITIES_MAX = 200
COMMENT_LENGTH_MAX = 10_000
_CHOICE_LENGTH_MAX = 64


def _choice(**options: Any) -> Code:
    """A word out of a list that the domain knows; it says so with a code of its own."""
    return Code(_CHOICE_LENGTH_MAX, required=True, **options)


class PlaceSchema(Schema):
    id = identifier(required=True)
    name = Text(NAME_LENGTH_MAX, required=True)
    country = Country(required=True)


class StandardSchema(Schema):
    code = Code(16, required=True)
    version = Code(16, required=True)


class ScopeSchema(Schema):
    type = _choice()
    text = Text(5_000, lines=True, required=True)
    activities = Bounded(_choice(), least=1, most=20, required=True)
    facilities = Bounded(fields.Nested(PlaceSchema), most=FACILITIES_MAX, load_default=list)


class MemberSchema(Schema):
    auditor_id = identifier(required=True)
    role = _choice()


class MaturitySchema(Schema):
    systems = _choice()
    risk = _choice()
    performance = _choice()


StatementsSchema = Schema.from_dict({name: fields.Raw(allow_none=True) for name in STATEMENTS}, name="StatementsSchema")


class PlanSchema(Schema):
    state = _choice()
    due_on = Day(allow_none=True)


class FindingSchema(Schema):
    criterion = Code(16, required=True)
    rating = _choice()
    comment = Text(COMMENT_LENGTH_MAX, lines=True, blank=True, allow_none=True)
    reason = Text(COMMENT_LENGTH_MAX, lines=True, blank=True, allow_none=True)
    plan = fields.Nested(PlanSchema, allow_none=True)


class ProvenanceSchema(Schema):
    source = Text(1_000, required=True)
    illustrative = Bounded(Text(200), most=100)


class ReportSchema(Schema):
    """The audit report: form and bounds."""

    report_id = Matching(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z",
        code="invalid_id",
        form="up to 64 letters, digits, dots, hyphens or underscores",
        required=True,
    )
    body_id = identifier(required=True)
    audit_type = _choice()
    standard = fields.Nested(StandardSchema, required=True)
    member_id = identifier(required=True)
    entity = fields.Nested(PlaceSchema, required=True)
    scope = fields.Nested(ScopeSchema, required=True)
    team = Bounded(fields.Nested(MemberSchema), most=50, required=True)
    audited_from = Day(required=True)
    audited_until = Day(required=True)
    maturity = fields.Nested(MaturitySchema, required=True)
    statements = fields.Nested(StatementsSchema, required=True)
    recommendation = _choice()
    findings = Bounded(fields.Nested(FindingSchema), most=FINDINGS_MAX, required=True)
    provenance = fields.Nested(ProvenanceSchema, allow_none=True)


class HistorySchema(Schema):
    """What the registrar states of a certificate that was issued before this register kept records."""

    issued_on = Day(required=True)
    number = fields.Integer(strict=True, allow_none=True, load_default=None, validate=validate.Range(1, 10**9))
    certified_since = Day(allow_none=True, load_default=None)
    source = Text(1_000, required=True)
    notify = Truth(load_default=False)
