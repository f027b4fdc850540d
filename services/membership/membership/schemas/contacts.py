"""What the methods for contacts take."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from membership.schemas.fields import Address, Once, known_language, page_limit
from touchstone_contracts.fields import NAME_LENGTH_MAX, Text, Truth, identifier
from touchstone_contracts.values import Party, PartyKind

SECRETARIAT_ID = "secretariat"
"""The one id that a party of kind `secretariat` has."""


class PartySchema(Schema):
    """On whose behalf: `{"kind": "member" | "body" | "secretariat", "id": ...}`."""

    kind = fields.Enum(PartyKind, by_value=True, required=True)
    id = identifier(required=True)

    @validates_schema
    def check_secretariat(self, data: dict[str, Any], **_: Any) -> None:
        if data["kind"] is PartyKind.SECRETARIAT and data["id"] != SECRETARIAT_ID:
            message = f"The Secretariat's id is `{SECRETARIAT_ID}`."
            raise ValidationError({"id": [{"code": "unknown_party", "message": message}]})


class SetContact(Schema):
    contact_id = identifier(load_default=None, allow_none=True)
    party = fields.Nested(PartySchema, required=True)
    name = Text(NAME_LENGTH_MAX, required=True)
    address = Address(required=True)
    roles = fields.List(identifier(), required=True, validate=[validate.Length(1, 20), Once()])
    language = fields.String(required=True, validate=known_language)
    channels = fields.List(
        fields.String(validate=validate.OneOf(["email"])), required=True, validate=[validate.Length(1), Once()]
    )
    active = Truth(load_default=True)


class ListContacts(Schema):
    party = fields.Nested(PartySchema, required=True)
    limit = page_limit()
    after = identifier(load_default=None, allow_none=True)


def party_of(request: dict[str, Any]) -> Party:
    return Party(**request["party"])
