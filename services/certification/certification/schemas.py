"""The forms of certification's requests and settings."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from certification import rule_files
from certification.domain.cases import CaseState
from certification.domain.certificates import Status
from touchstone_contracts.values import Standard

LIMIT_DEFAULT, LIMIT_MAX = 50, 200
_SLUG = validate.Regexp(r"[a-z0-9][a-z0-9-]{1,63}\Z", error="Must be lower-case letters, digits and hyphens.")
_ID = validate.Length(1, 200)
_CODE = validate.Length(1, 20)


class SettingsSchema(Schema):
    """`rule_set`: the rule set in force. `first_certificate_number`: numbers of its own that the register gives start
    here, apart from those that were published before it."""

    rule_set = fields.Integer(load_default=1, strict=True)
    first_certificate_number = fields.Integer(load_default=10_001, strict=True, validate=validate.Range(1))

    @validates_schema
    def check_rule_set(self, data: dict, **_: Any) -> None:
        check_rule_set(data["rule_set"])


def check_rule_set(number: int) -> None:
    if not rule_files.exists(number):
        raise ValidationError({"rule_set": [{"code": "unknown_choice", "message": f"There is no rule set {number}."}]})


class _StandardVersion(Schema):
    code = fields.String(required=True, validate=_CODE)
    version = fields.String(required=True, validate=_CODE)

    @post_load
    def build(self, data: dict, **_: Any) -> Standard:
        return Standard(**data)


class SignMandate(Schema):
    """Both days are inclusive; `mandate_id` is given by the register when it is left out."""

    mandate_id = fields.String(load_default=None, allow_none=True, validate=_SLUG)
    rule_set = fields.Integer(required=True, strict=True)
    standards = fields.List(fields.Nested(_StandardVersion), required=True, validate=validate.Length(1, 50))
    valid_from = fields.Date(required=True)
    valid_until = fields.Date(required=True)

    @validates_schema
    def check_rule_set(self, data: dict, **_: Any) -> None:
        check_rule_set(data["rule_set"])

    @validates_schema
    def check_days(self, data: dict, **_: Any) -> None:
        if data["valid_until"] < data["valid_from"]:
            raise ValidationError("Lies before valid_from.", "valid_until")


class DecideCase(Schema):
    case_id = fields.String(required=True, validate=_ID)


class GetCase(Schema):
    case_id = fields.String(required=True, validate=_ID)


class ListCases(Schema):
    """`after` is the `next` of the page before."""

    state = fields.Enum(CaseState, by_value=True, load_default=None, allow_none=True)
    limit = fields.Integer(load_default=LIMIT_DEFAULT, strict=True, validate=validate.Range(1, LIMIT_MAX))
    after = fields.String(load_default=None, allow_none=True, validate=_ID)


class GetCertificate(Schema):
    number = fields.Integer(required=True, strict=True, validate=validate.Range(1))


class VerifyCertificate(Schema):
    """`on` is the day asked about; today when it is left out."""

    number = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    on = fields.Date(load_default=None, allow_none=True)


class ListCertificates(Schema):
    """`standard` is a code such as `PS`; `after` is the `next` of the page before."""

    member_id = fields.String(load_default=None, allow_none=True, validate=_ID)
    standard = fields.String(load_default=None, allow_none=True, validate=_CODE)
    status = fields.Enum(Status, by_value=True, load_default=None, allow_none=True)
    limit = fields.Integer(load_default=LIMIT_DEFAULT, strict=True, validate=validate.Range(1, LIMIT_MAX))
    after = fields.String(
        load_default=None, allow_none=True, validate=validate.Regexp(r"[0-9]{1,18}\Z", error="Is no cursor.")
    )
