"""What requests of operators have in common."""

from typing import Any

from marshmallow import Schema, fields, validate

from touchstone_contracts.fields import Text


def name_field(**kwargs: Any) -> fields.String:
    """An id, or a name of something that exists: looked up as it is, since nobody knows who named it."""
    return fields.String(validate=validate.Length(1, 255), **kwargs)


class Why(Schema):
    """The reason for which an operator changes something, kept with the operator's name."""

    why = Text(500, lines=True, required=True)
