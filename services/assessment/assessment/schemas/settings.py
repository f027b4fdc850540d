"""The form of the service's own settings."""

from marshmallow import Schema, fields, validate

WAIT, TAKE = "wait", "take"


class SettingsSchema(Schema):
    """`unknown_references`: what becomes of a report that names somebody or something that is not known here yet. It
    waits, or, while a membership that tells no records is being replaced, is taken as before."""

    unknown_references = fields.String(load_default=WAIT, validate=validate.OneOf([WAIT, TAKE]))
