"""What the methods for standards take; a standard that is published is read by itself, to find all its faults."""

from marshmallow import Schema, fields

from assessment.data.catalogue import ID_PATTERN
from touchstone_contracts.fields import Code, Matching
from touchstone_contracts.publication_calls import GetEdition


class PublishStandard(Schema):
    document = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "The standard; assessment.data.catalogue.StandardForm gives its form."},
    )


class GetStandard(Schema):
    code = Code(16, required=True)
    version = Code(16, required=True)


class ListStandards(Schema):
    """Takes nothing: there are few standards."""


class GetPublishedStandard(GetEdition):
    id = Matching(ID_PATTERN, longest=32, code="invalid_id", form="code and version, as PS-3.0", required=True)
