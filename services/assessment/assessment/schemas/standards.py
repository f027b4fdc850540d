"""What the methods for standards take."""

from marshmallow import Schema

from touchstone_contracts.fields import Code


class GetStandard(Schema):
    code = Code(16, required=True)
    version = Code(16, required=True)


class ListStandards(Schema):
    """Takes nothing: there are few standards."""
