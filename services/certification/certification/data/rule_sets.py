"""Reads a rule set from its file and refuses one that is incomplete, ambiguous or names what does not exist."""

import functools
import json
import pathlib
import string
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from certification.domain.rules.facts import DATE_FACTS, VOCABULARY
from certification.domain.rules.rule_set import OPERATORS, Guard, Outcome, Row, RuleSet, Stage, Test, Waits
from touchstone_contracts.values import AuditType

CONFIDENCES = ("sourced", "recalled", "design", "uncertain")
_FOLDER = pathlib.Path(__file__).parent
_NAMED = validate.Length(1, 100)


class _Sourced(Schema):
    source = fields.String(required=True, validate=validate.Length(1))
    confidence = fields.String(required=True, validate=validate.OneOf(CONFIDENCES))


class _Parameter(_Sourced):
    value = fields.Raw(required=True)


class _Test(Schema):
    fact = fields.String(required=True, validate=validate.OneOf(VOCABULARY))
    comparison = fields.String(required=True, data_key="is", validate=validate.OneOf(OPERATORS))
    value = fields.Raw(required=True)


class _Guard(_Sourced):
    id = fields.String(required=True, validate=_NAMED)
    stage = fields.Enum(Stage, required=True, by_value=True)
    imports = fields.Boolean(required=True)
    fault_when = fields.List(fields.Nested(_Test), required=True, validate=validate.Length(1))
    code = fields.String(required=True, validate=_NAMED)
    text = fields.String(required=True, validate=validate.Length(1))


class _Waits(Schema):
    until = fields.String(required=True, validate=validate.OneOf(DATE_FACTS))
    code = fields.String(required=True, validate=_NAMED)
    text = fields.String(required=True, validate=validate.Length(1))


class _AuditTypes(fields.Field):
    """`"any"`, or a list of audit types."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...] | None:
        if value == "any":
            return None
        known = {kind.value for kind in AuditType}
        if not isinstance(value, list) or not value or not known.issuperset(value):
            raise ValidationError("Not 'any' and no list of audit types.")
        return tuple(value)


class _Row(_Sourced):
    id = fields.String(required=True, validate=_NAMED)
    audit_types = _AuditTypes(required=True)
    when = fields.List(fields.Nested(_Test), required=True, validate=validate.Length(1))
    outcome = fields.Enum(Outcome, required=True, by_value=True)
    validity = fields.Dict(
        keys=fields.String(validate=validate.OneOf(("years", "months"))), required=True, allow_none=True
    )
    code = fields.String(required=True, validate=_NAMED)
    text = fields.String(required=True, validate=validate.Length(1))
    waits = fields.Nested(_Waits, load_default=None)

    @validates_schema
    def check_validity(self, data: dict, **_: Any) -> None:
        if (data["outcome"].level is None) == bool(data["validity"]):
            raise ValidationError("A row that certifies has a validity, and no other has one.", "validity")
        if data["waits"] and data["outcome"].level is not None:
            raise ValidationError("A row that certifies does not wait.", "waits")


class RuleSetSchema(Schema):
    """The form of a rule set file."""

    rule_set = fields.Integer(required=True, strict=True, validate=validate.Range(1))
    title = fields.String(required=True, validate=validate.Length(1))
    source = fields.String(required=True, validate=validate.Length(1))
    parameters = fields.Dict(keys=fields.String(), values=fields.Nested(_Parameter), required=True)
    guards = fields.List(fields.Nested(_Guard), required=True)
    rows = fields.List(fields.Nested(_Row), required=True, validate=validate.Length(1))

    @validates_schema
    def check_names(self, data: dict, **_: Any) -> None:
        _check_unique([row["id"] for row in data["rows"]], "rows")
        _check_unique([guard["id"] for guard in data["guards"]], "guards")
        if not isinstance(data["parameters"].get("plan_due_days", {}).get("value"), int):
            raise ValidationError("plan_due_days is missing or no number of days.", "parameters")
        for rule in (*data["guards"], *data["rows"]):
            _check_words(rule, data["parameters"])


@functools.cache
def load(number: int) -> RuleSet:
    """Rule set `number` of this release. Raises FileNotFoundError, or ValidationError when the file is not sound."""
    return parse(json.loads((_FOLDER / f"rule-set-{number}.json").read_text(encoding="utf-8")))


def exists(number: int) -> bool:
    return (_FOLDER / f"rule-set-{number}.json").is_file()


def parse(document: Mapping[str, Any]) -> RuleSet:
    """The rule set of a decoded file, parameters put in place. Raises ValidationError."""
    data: Any = RuleSetSchema().load(document)
    parameters = {name: one["value"] for name, one in data["parameters"].items()}
    return RuleSet(
        number=data["rule_set"],
        title=data["title"],
        parameters=parameters,
        guards=tuple(_guard(one, parameters) for one in data["guards"]),
        rows=tuple(_row(one, parameters) for one in data["rows"]),
    )


def _guard(data: dict, parameters: Mapping[str, Any]) -> Guard:
    return Guard(
        id=data["id"],
        stage=data["stage"],
        imports=data["imports"],
        fault_when=_tests(data["fault_when"], parameters),
        code=data["code"],
        text=data["text"],
    )


def _row(data: dict, parameters: Mapping[str, Any]) -> Row:
    validity = data["validity"]
    return Row(
        id=data["id"],
        audit_types=data["audit_types"],
        when=_tests(data["when"], parameters),
        outcome=data["outcome"],
        code=data["code"],
        text=data["text"],
        validity={unit: _value(amount, parameters) for unit, amount in validity.items()} if validity else None,
        waits=Waits(**data["waits"]) if data["waits"] else None,
    )


def _tests(data: list[dict], parameters: Mapping[str, Any]) -> tuple[Test, ...]:
    return tuple(
        Test(fact=one["fact"], comparison=one["comparison"], expected=_value(one["value"], parameters)) for one in data
    )


def _value(written: Any, parameters: Mapping[str, Any]) -> Any:
    return parameters[written["parameter"]] if isinstance(written, dict) else written


def _check_unique(names: list[str], where: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValidationError(f"More than one has the id {', '.join(twice)}.", where)


def _check_words(rule: dict, parameters: Mapping[str, Any]) -> None:
    written = [one["value"] for one in rule.get("fault_when", rule.get("when", []))]
    written += list((rule.get("validity") or {}).values())
    for value in written:
        if isinstance(value, dict) and (set(value) != {"parameter"} or value["parameter"] not in parameters):
            raise ValidationError(f"{rule['id']} names a parameter that does not exist: {value}.", "parameters")
    known = {*VOCABULARY, *(f"{name}_criteria" for name in VOCABULARY), *parameters}
    for text in (rule["text"], (rule.get("waits") or {}).get("text", "")):
        template = string.Template(text)
        if not template.is_valid() or not known.issuperset(template.get_identifiers()):
            raise ValidationError(f"{rule['id']} has a text that names what does not exist: {text}", "text")
