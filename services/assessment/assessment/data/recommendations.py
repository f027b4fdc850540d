"""Reads from its file which recommendations fit which audits, and refuses what is unsound."""

import json
import pathlib
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from assessment.domain.audits.report import RECOMMENDATIONS
from assessment.domain.recommendations import FittingRecommendation
from touchstone_contracts.values import AuditType

CONFIDENCES = ("sourced", "recalled", "design", "uncertain")
_TEXT = validate.Length(1, 300)
_COUNT = validate.Range(0, 1_000)


class _Row(Schema):
    recommendation = fields.String(required=True, validate=validate.OneOf(RECOMMENDATIONS))
    audit_types = fields.List(fields.Enum(AuditType, by_value=True), required=True, validate=validate.Length(1))
    critical_breaches_max = fields.Integer(required=True, strict=True, allow_none=True, validate=_COUNT)
    majors_min = fields.Integer(required=True, strict=True, validate=_COUNT)
    majors_max = fields.Integer(required=True, strict=True, allow_none=True, validate=_COUNT)
    either = fields.Boolean(required=True)
    source = fields.String(required=True, validate=_TEXT)
    confidence = fields.String(required=True, validate=validate.OneOf(CONFIDENCES))

    @post_load
    def build(self, data: dict[str, Any], **_: Any) -> FittingRecommendation:
        kept = {name: value for name, value in data.items() if name not in ("source", "confidence")}
        return FittingRecommendation(**kept | {"audit_types": frozenset(data["audit_types"])})


class RecommendationsSchema(Schema):
    """The form of the file."""

    recommendations = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    title = fields.String(required=True, validate=_TEXT)
    rows = fields.List(fields.Nested(_Row), required=True, validate=validate.Length(1))


def load_recommendations(path: pathlib.Path) -> tuple[FittingRecommendation, ...]:
    """Raises marshmallow's ValidationError with everything that is wrong, and ValueError for what is no JSON."""
    return tuple(RecommendationsSchema().load(json.loads(path.read_text(encoding="utf-8")))["rows"])


RECOMMENDATIONS_1 = load_recommendations(pathlib.Path(__file__).parent / "recommendations-1.json")
