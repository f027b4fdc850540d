"""The forms of what can be asked of the register."""

from marshmallow import Schema, fields, validate

from certification.domain.certificates.certificate import Status
from certification.schemas.fields import CODE, ID, page_limit
from touchstone_contracts.moments import Day


class GetCertificate(Schema):
    number = fields.Integer(required=True, strict=True, validate=validate.Range(1))


class VerifyCertificate(Schema):
    """`on` is the day asked about; today when it is left out."""

    number = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    on = Day(load_default=None, allow_none=True)


class ListCertificates(Schema):
    """`standard` is a code such as `PS`; `after` is the `next` of the page before."""

    member_id = fields.String(load_default=None, allow_none=True, validate=ID)
    standard = fields.String(load_default=None, allow_none=True, validate=CODE)
    status = fields.Enum(Status, by_value=True, load_default=None, allow_none=True)
    limit = page_limit()
    after = fields.String(
        load_default=None, allow_none=True, validate=validate.Regexp(r"[0-9]{1,18}\Z", error="Is no cursor.")
    )
