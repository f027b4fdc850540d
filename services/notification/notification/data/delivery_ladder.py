"""Reads the delivery ladder from its file: after which delays a mail is tried again that the server did not take."""

import itertools
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from notification.data.notice_rules import CONFIDENCES

_TEXT = validate.Length(1, 200)


class _Step(Schema):
    delay_s = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    times = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    source = fields.String(required=True, validate=_TEXT)
    confidence = fields.String(required=True, validate=validate.OneOf(CONFIDENCES))


class DeliveryLadderSchema(Schema):
    """The form of the file."""

    delivery_ladder = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    title = fields.String(required=True, validate=_TEXT)
    steps = fields.List(fields.Nested(_Step), required=True, validate=validate.Length(1))


def parse(document: Mapping[str, Any]) -> list[int]:
    """The delays of a decoded file, in seconds, one for each further try. Raises ValidationError."""
    steps: Any = DeliveryLadderSchema().load(document)["steps"]
    return [*itertools.chain.from_iterable([step["delay_s"]] * step["times"] for step in steps)]


DELAYS_S = parse(json.loads((pathlib.Path(__file__).parent / "delivery-ladder-1.json").read_text(encoding="utf-8")))
