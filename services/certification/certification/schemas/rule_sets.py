"""What the methods for rule sets take; the document itself is read by itself, to find all its faults."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from certification.schemas.fields import page_limit
from touchstone_contracts.moments import Day


class PublishRuleSet(Schema):
    document = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "The rule set; certification.data.rule_sets.RuleSetForm gives its form."},
    )


class GetRuleSet(Schema):
    """By its `version`; else the one that is effective on a day, today when both are left out."""

    version = fields.Integer(load_default=None, allow_none=True, strict=True, validate=validate.Range(1))
    on = Day(load_default=None, allow_none=True)

    @validates_schema
    def check_which(self, data: dict, **_: Any) -> None:
        if data["version"] is not None and data["on"] is not None:
            raise ValidationError("Goes without version.", "on")


class ListRuleSets(Schema):
    """`after` is the `next` of the page before."""

    limit = page_limit()
    after = fields.String(
        load_default=None, allow_none=True, validate=validate.Regexp(r"[0-9]{1,18}\Z", error="Is no cursor.")
    )
