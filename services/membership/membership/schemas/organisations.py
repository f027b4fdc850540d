"""What the methods for organisations take."""

from marshmallow import Schema, fields, validate

from membership.data.reference import member_classes
from membership.schemas.fields import one_of_data, page_limit
from touchstone_contracts.fields import NAME_LENGTH_MAX, REASON_LENGTH_MAX, Country, Text, identifier
from touchstone_contracts.moments import Day


class RegisterOrganisation(Schema):
    member_id = identifier(load_default=None, allow_none=True)
    legal_name = Text(NAME_LENGTH_MAX, required=True)
    member_class = fields.String(required=True, validate=one_of_data("member_class", lambda: tuple(member_classes())))
    country = Country(required=True)


class Activate(Schema):
    member_id = identifier(required=True)
    joined_on = Day(load_default=None, allow_none=True)


class Suspend(Schema):
    member_id = identifier(required=True)
    reasons = fields.List(Text(REASON_LENGTH_MAX, lines=True), required=True, validate=validate.Length(1, 20))


class Reinstate(Schema):
    member_id = identifier(required=True)


class GetOrganisation(Schema):
    member_id = identifier(required=True)


class ListOrganisations(Schema):
    limit = page_limit()
    after = identifier(load_default=None, allow_none=True)
