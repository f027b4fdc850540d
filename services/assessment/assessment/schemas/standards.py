"""What the methods for standards take; a standard that is published is read by itself, to find all its faults."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from assessment.data.catalogue import ID_PATTERN
from touchstone_contracts.fields import Code, Matching
from touchstone_contracts.moments import Day


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


class GetPublishedStandard(Schema):
    """By its `version`; else the one that is effective on a day, today when both are left out."""

    id = Matching(ID_PATTERN, longest=32, code="invalid_id", form="code and version, as PS-3.0", required=True)
    version = fields.Integer(load_default=None, allow_none=True, strict=True, validate=validate.Range(1))
    on = Day(load_default=None, allow_none=True)

    @validates_schema
    def check_which(self, data: dict, **_: Any) -> None:
        if data["version"] is not None and data["on"] is not None:
            raise ValidationError("Goes without version.", "on")


class ListPublishedStandards(Schema):
    """`after` is the `next` of the page before."""

    limit = fields.Integer(strict=True, load_default=50, validate=validate.Range(1, 200))
    after = Code(64, load_default=None, allow_none=True)
