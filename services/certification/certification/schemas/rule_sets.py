"""What the methods for rule sets take; the document itself is read by itself, to find all its faults."""

from marshmallow import Schema, fields


class PublishRuleSet(Schema):
    document = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "The rule set; certification.data.rule_sets.RuleSetForm gives its form."},
    )
