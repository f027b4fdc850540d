"""The form of the service's own settings."""

from typing import Any

from marshmallow import Schema, fields, validate, validates_schema

from certification.schemas.fields import check_rule_set


class SettingsSchema(Schema):
    """`rule_set`: the rule set in force. `first_certificate_number`: numbers of its own that the register gives start
    here, apart from those that were published before it."""

    rule_set = fields.Integer(load_default=1, strict=True)
    first_certificate_number = fields.Integer(load_default=10_001, strict=True, validate=validate.Range(1))

    @validates_schema
    def check_rule_set(self, data: dict, **_: Any) -> None:
        check_rule_set(data["rule_set"])
