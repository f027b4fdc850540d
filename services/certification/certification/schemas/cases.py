"""The forms of what can be asked of cases."""

from marshmallow import Schema, fields

from certification.domain.cases.case import CaseState
from certification.schemas.fields import ID, page_limit
from touchstone_contracts.fields import Text


class DecideCase(Schema):
    case_id = fields.String(required=True, validate=ID)


class RefuseCase(Schema):
    case_id = fields.String(required=True, validate=ID)
    reason = Text(1_000, required=True)


class GetCase(Schema):
    case_id = fields.String(required=True, validate=ID)


class ListCases(Schema):
    """`after` is the `next` of the page before."""

    state = fields.Enum(CaseState, by_value=True, load_default=None, allow_none=True)
    limit = page_limit()
    after = fields.String(load_default=None, allow_none=True, validate=ID)
