"""The forms of what can be asked of notices."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from notification.domain.notices.notice import NoticeState
from touchstone_contracts.fields import identifier
from touchstone_contracts.values import PartyKind

_ID = validate.Length(1, 200)


class PartySchema(Schema):
    """`{"kind": "member" | "body" | "secretariat", "id": ...}`."""

    kind = fields.Enum(PartyKind, by_value=True, required=True)
    id = fields.String(required=True, validate=_ID)


class GetNotice(Schema):
    notice_id = fields.String(required=True, validate=_ID)


class ListNotices(Schema):
    audit_id = fields.String(load_default=None, allow_none=True, validate=_ID)
    party = fields.Nested(PartySchema, load_default=None, allow_none=True)
    state = fields.Enum(NoticeState, by_value=True, load_default=None, allow_none=True)
    limit = fields.Integer(load_default=50, strict=True, validate=validate.Range(1, 200))
    after = fields.String(load_default=None, allow_none=True, validate=_ID)


class SendNoticesAgain(Schema):
    """`notice_id`, or `contact_id` for what did not go out to that contact, page by page."""

    notice_id = fields.String(load_default=None, allow_none=True, validate=_ID)
    contact_id = identifier(load_default=None, allow_none=True)
    limit = fields.Integer(load_default=50, strict=True, validate=validate.Range(1, 200))
    after = fields.String(load_default=None, allow_none=True, validate=_ID)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data["notice_id"]) == bool(data["contact_id"]):
            raise ValidationError({"notice_id": ["Give either notice_id or contact_id."]})
