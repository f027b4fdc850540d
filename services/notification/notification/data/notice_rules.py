"""Reads the notice rules from their file and refuses those that are unsound: which events are told, to whom, and how.

A new event with a notice is a row there, and a template in each language, its own or a shared one. A row stays as long
as a notice by it may wait to be sent: it says from which template.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

import touchstone_contracts.events  # noqa: F401 - registers the events
from notification.domain.rules import NAMED_BY, NoticeRule
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.values import PartyKind

CONFIDENCES = ("sourced", "recalled", "design", "uncertain")
_TEXT = validate.Length(1, 200)


class _Rule(Schema):
    event = fields.String(required=True, validate=_TEXT)
    audience = fields.List(fields.Enum(PartyKind, by_value=True), required=True, validate=validate.Length(1))
    template = fields.String(required=True, validate=_TEXT)
    about = fields.String(required=True, validate=_TEXT)
    once = fields.Boolean(required=True)
    source = fields.String(required=True, validate=_TEXT)
    confidence = fields.String(required=True, validate=validate.OneOf(CONFIDENCES))

    @validates_schema
    def check_kind(self, data: dict, **_: Any) -> None:
        if event_of(data["event"]).record:
            raise ValidationError(f"{data['event']} is a record, which says that nothing happened.", "event")

    @validates_schema
    def check_audience(self, data: dict, **_: Any) -> None:
        said = {field.name for field in dataclasses.fields(event_of(data["event"]))}
        nameless = [kind.value for kind in data["audience"] if NAMED_BY.get(kind) not in {None, *said}]
        if nameless:
            raise ValidationError(f"{data['event']} names no {', '.join(nameless)}.", "audience")

    @post_load
    def build(self, data: dict, **_: Any) -> NoticeRule:
        known = {field.name: data[field.name] for field in dataclasses.fields(NoticeRule)}
        return NoticeRule(**known | {"audience": tuple(data["audience"])})


class NoticeRulesSchema(Schema):
    """The form of the file."""

    notice_rules = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    title = fields.String(required=True, validate=_TEXT)
    rules = fields.List(fields.Nested(_Rule), required=True, validate=validate.Length(1))

    @validates_schema
    def check_names(self, data: dict, **_: Any) -> None:
        if len({rule.type for rule in data["rules"]}) < len(data["rules"]):
            raise ValidationError("Notices of two rules would be called alike.", "rules")


def event_of(name: str) -> Any:
    """The newest version of the event of that name. Raises ValidationError where there is none."""
    registered: list[Any] = list(REGISTRY.values())
    versions = [event for event in registered if f"{event.producer}.{event.local_name}" == name]
    if not versions:
        raise ValidationError(f"There is no event {name}.", "event")
    return max(versions, key=lambda event: event.version)


def parse(document: Mapping[str, Any]) -> dict[str, NoticeRule]:
    """The rules of a decoded file, by what notices of them are called. Raises ValidationError."""
    data: Any = NoticeRulesSchema().load(document)
    return {rule.type: rule for rule in data["rules"]}


RULES = parse(json.loads((pathlib.Path(__file__).parent / "notice-rules-1.json").read_text(encoding="utf-8")))
ANNOUNCED = tuple(event_of(rule.event) for rule in RULES.values())
"""The events that people are told of."""
