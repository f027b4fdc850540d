"""What several forms have in common: identifiers, codes, and pages of a list."""

from marshmallow import fields, validate

LIMIT_DEFAULT, LIMIT_MAX = 50, 200
ID = validate.Length(1, 200)
CODE_LENGTH_MAX = 20
CODE = validate.Length(1, CODE_LENGTH_MAX)


def page_limit() -> fields.Field:
    return fields.Integer(load_default=LIMIT_DEFAULT, strict=True, validate=validate.Range(1, LIMIT_MAX))
