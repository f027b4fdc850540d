"""What the methods for standards take."""

from marshmallow import Schema

from touchstone_contracts.fields import Text


class GetStandard(Schema):
    code = Text(16, required=True)
    version = Text(16, required=True)


class ListStandards(Schema):
    """Takes nothing: there are few standards."""
