"""What the methods for bodies and auditors take."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from touchstone_contracts.fields import NAME_LENGTH_MAX, Bounded, Code, Country, Text, identifier
from touchstone_contracts.moments import Day


class _Grant(Schema):
    """Standards x countries x activities, from a first to a last day, both included."""

    name = Text(NAME_LENGTH_MAX, required=True)
    standards = Bounded(Code(16), least=1, most=20, required=True)
    countries = Bounded(Country(or_everywhere=True), least=1, most=300, required=True)
    activities = Bounded(Code(16), least=1, most=50, required=True)
    valid_from = Day(required=True)
    valid_until = Day(required=True)

    @validates_schema
    def _days_are_in_order(self, data: dict[str, Any], **_: Any) -> None:
        if data["valid_until"] < data["valid_from"]:
            message = "The last day comes before the first."
            raise ValidationError({"valid_until": [{"code": "date_order", "message": message}]})


class AccreditBody(_Grant):
    body_id = identifier(required=True)


class RegisterAuditor(_Grant):
    """`logins`: the subjects of tokens by which the person calls; where it is absent, those of before stay."""

    auditor_id = identifier(required=True)
    body_ids = Bounded(identifier(), least=1, most=50, required=True)
    logins = Bounded(Text(200), most=20, load_default=None, allow_none=True)


class GetBody(Schema):
    body_id = identifier(required=True)


class ListAuditors(Schema):
    """`after` is the `next` of the page before."""

    body_id = identifier(required=True)
    limit = fields.Integer(strict=True, load_default=50, validate=validate.Range(1, 200))
    after = identifier(load_default=None, allow_none=True)
