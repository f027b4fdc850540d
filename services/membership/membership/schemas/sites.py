"""What the methods for entities and facilities take."""

from marshmallow import Schema, fields, validate

from membership.data.reference import activity_codes
from membership.schemas.fields import Once, one_of_data
from touchstone_contracts.fields import NAME_LENGTH_MAX, Country, Text, identifier


def _activities() -> fields.Field:
    code = fields.String(validate=one_of_data("activity", activity_codes))
    return fields.List(code, required=True, validate=[validate.Length(1, 20), Once()])


class RegisterEntity(Schema):
    entity_id = identifier(load_default=None, allow_none=True)
    member_id = identifier(required=True)
    name = Text(NAME_LENGTH_MAX, required=True)
    country = Country(required=True)
    activities = _activities()


class RegisterFacility(Schema):
    facility_id = identifier(load_default=None, allow_none=True)
    entity_id = identifier(required=True)
    name = Text(NAME_LENGTH_MAX, required=True)
    country = Country(required=True)
    activities = _activities()
