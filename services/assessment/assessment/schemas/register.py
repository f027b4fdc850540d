"""What the methods for scopes take."""

from marshmallow import Schema, fields

from assessment.schemas.report import FACILITIES_MAX, StandardSchema
from touchstone_contracts.fields import Bounded, identifier


class GetScope(Schema):
    entity_id = identifier(required=True)
    facility_ids = Bounded(identifier(), most=FACILITIES_MAX, load_default=list)
    standard = fields.Nested(StandardSchema, required=True)
