"""What the methods for organisations take."""

from marshmallow import Schema, fields, validate

from membership.data.reference import class_rules
from membership.schemas.fields import Slug, Text, country_code, one_of_data, page_limit


class RegisterOrganisation(Schema):
    member_id = Slug(load_default=None, allow_none=True)
    legal_name = Text(required=True)
    member_class = fields.String(required=True, validate=one_of_data("member_class", lambda: tuple(class_rules())))
    country = country_code()


class Activate(Schema):
    member_id = Slug(required=True)
    joined_on = fields.Date(load_default=None, allow_none=True, format="iso")


class Suspend(Schema):
    member_id = Slug(required=True)
    reasons = fields.List(Text(length_max=1000), required=True, validate=validate.Length(1, 20))


class Reinstate(Schema):
    member_id = Slug(required=True)


class GetOrganisation(Schema):
    member_id = Slug(required=True)


class ListOrganisations(Schema):
    limit = page_limit()
    after = Slug(load_default=None, allow_none=True)
