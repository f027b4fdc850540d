"""What the methods for obligations take; the document itself is read by itself, to find all its faults."""

from marshmallow import Schema, fields


class PublishObligations(Schema):
    document = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "The obligations; membership.data.obligations.ObligationsForm gives their form."},
    )
