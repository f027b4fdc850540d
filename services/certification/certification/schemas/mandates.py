"""The form of a mandate that is signed, and of its end."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from certification.schemas.fields import CODE_LENGTH_MAX
from touchstone_contracts.fields import REASON_LENGTH_MAX, Text, identifier
from touchstone_contracts.moments import Day
from touchstone_contracts.values import Standard


class _StandardVersion(Schema):
    code = Text(CODE_LENGTH_MAX, required=True)
    version = Text(CODE_LENGTH_MAX, required=True)

    @post_load
    def build(self, data: dict, **_: Any) -> Standard:
        return Standard(**data)


class SignMandate(Schema):
    """Both days are inclusive; `mandate_id` is given by the register when it is left out."""

    mandate_id = identifier(load_default=None, allow_none=True)
    rule_set = fields.Integer(required=True, strict=True)
    standards = fields.List(fields.Nested(_StandardVersion), required=True, validate=validate.Length(1, 50))
    valid_from = Day(required=True)
    valid_until = Day(required=True)

    @validates_schema
    def check_days(self, data: dict, **_: Any) -> None:
        if data["valid_until"] < data["valid_from"]:
            raise ValidationError("Lies before valid_from.", "valid_until")


class EndMandate(Schema):
    mandate_id = identifier(required=True)
    reason = Text(REASON_LENGTH_MAX, lines=True, required=True)
