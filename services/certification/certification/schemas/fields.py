"""What several forms have in common: identifiers, codes, pages of a list, and the number of a rule set."""

from marshmallow import ValidationError, fields, validate

from certification.data import rule_sets

LIMIT_DEFAULT, LIMIT_MAX = 50, 200
ID = validate.Length(1, 200)
CODE_LENGTH_MAX = 20
CODE = validate.Length(1, CODE_LENGTH_MAX)


def page_limit() -> fields.Field:
    return fields.Integer(load_default=LIMIT_DEFAULT, strict=True, validate=validate.Range(1, LIMIT_MAX))


def check_rule_set(number: int) -> None:
    if not rule_sets.exists(number):
        raise ValidationError({"rule_set": [{"code": "unknown_choice", "message": f"There is no rule set {number}."}]})
