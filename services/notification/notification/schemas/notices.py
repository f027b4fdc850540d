"""The forms of what can be asked of notices."""

from marshmallow import Schema, fields, validate

from notification.domain.notices.notice import NoticeState
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
