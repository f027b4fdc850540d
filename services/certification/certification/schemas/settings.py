"""The form of the service's own settings."""

from marshmallow import Schema, fields, validate


class SettingsSchema(Schema):
    """`first_certificate_number`: numbers of its own that the register gives start here, apart from those that were
    published before it."""

    first_certificate_number = fields.Integer(load_default=10_001, strict=True, validate=validate.Range(1))
