"""What requests of operators have in common."""

from typing import Any

from marshmallow import Schema, fields, validate


def name_field(**kwargs: Any) -> fields.String:
    """An id, or a name."""
    return fields.String(validate=validate.Length(1, 255), **kwargs)


class Why(Schema):
    """The reason for which an operator changes something, kept with the operator's name."""

    why = fields.String(required=True, validate=[validate.Length(1, 500), validate.Regexp(r"(?s)\s*\S")])
