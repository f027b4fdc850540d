"""What the methods for entities and facilities take."""

from marshmallow import Schema, fields, validate

from membership.data.reference import activity_codes
from membership.schemas.fields import Once, Slug, Text, country_code, one_of_data


def _activities() -> fields.Field:
    code = fields.String(validate=one_of_data("activity", activity_codes))
    return fields.List(code, required=True, validate=[validate.Length(1, 20), Once()])


class RegisterEntity(Schema):
    entity_id = Slug(load_default=None, allow_none=True)
    member_id = Slug(required=True)
    name = Text(required=True)
    country = country_code()
    activities = _activities()


class RegisterFacility(Schema):
    facility_id = Slug(load_default=None, allow_none=True)
    entity_id = Slug(required=True)
    name = Text(required=True)
    country = country_code()
    activities = _activities()
