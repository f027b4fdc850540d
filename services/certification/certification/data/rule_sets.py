"""The form of a rule set, everything that can be wrong with one, and how its document becomes rows and guards."""

import dataclasses
import json
import pathlib
import re
import string
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from certification.domain.rules.facts import (
    DATE_FACTS,
    KINDS,
    KNOWN_TO_ISSUE_GUARDS,
    KNOWN_TO_REPORT_GUARDS,
    KNOWN_TO_ROWS,
    VOCABULARY,
    Kind,
)
from certification.domain.rules.rule_set import (
    DECISION_TABLE,
    OPERATORS,
    Guard,
    Outcome,
    Row,
    RuleSet,
    Stage,
    Test,
    Waits,
)
from touchstone_contracts.errors import FieldError
from touchstone_contracts.field_errors import fault, field_errors
from touchstone_contracts.fields import NAME_LENGTH_MAX, REASON_LENGTH_MAX, Bounded, Matching, Text, Truth
from touchstone_contracts.moments import Day
from touchstone_contracts.reference import Publication, Sourced, published
from touchstone_contracts.texts import NotKept, kept
from touchstone_contracts.values import AuditType

SHIPPED_BY = "release"
RULES_MAX, TESTS_MAX, VALUES_MAX = 200, 20, 200
NUMBER_MAX = 2**53 - 1
VALIDITY_MAX = {"years": 100, "months": 1_200}
PLAN_DUE_DAYS_MAX = 3_650
_KNOWN_TO_GUARDS = {Stage.REPORT: KNOWN_TO_REPORT_GUARDS, Stage.ISSUE: KNOWN_TO_ISSUE_GUARDS}
_FOLDER = pathlib.Path(__file__).parent
_IN_A_DICT = re.compile(r"^(parameters|rows\[\d+\]\.validity)\.([^.]+)\.(?:key|value)(?=\.|$)")
"""How marshmallow names what stands under a key, with a step too many."""


def _name(**options: Any) -> Matching:
    form = "a letter or digit, then letters, digits or underscores"
    return Matching(r"[A-Za-z0-9][A-Za-z0-9_]{0,99}\Z", code="invalid_id", form=form, longest=100, **options)


def _number(value: Any) -> bool:
    return type(value) is int and abs(value) <= NUMBER_MAX


def _text(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) <= NAME_LENGTH_MAX and kept(value) == value
    except NotKept:
        return False


class _Plain(fields.Field):
    """A whole number, a text, true, false, or a list of texts or of whole numbers."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        plain = isinstance(value, bool) or _number(value) or _text(value)
        if not plain and not (isinstance(value, list) and len(value) <= VALUES_MAX and _of_one_kind(value)):
            raise fault("wrong_type", "Must be a whole number, a text, true, false, or a list of texts or of numbers.")
        return value


class _Expected(_Plain):
    """The same, or the name of a parameter that has it: `{"parameter": "max_majors"}`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        if isinstance(value, dict) and set(value) == {"parameter"} and isinstance(value["parameter"], str):
            return value
        return super()._deserialize(value, attr, data, **options)


def _of_one_kind(values: list[Any]) -> bool:
    return all(map(_number, values)) or all(map(_text, values))


class _Parameter(Sourced):
    value = _Plain(required=True)


class _Test(Schema):
    fact = fields.String(required=True, validate=validate.OneOf(VOCABULARY))
    comparison = fields.String(required=True, data_key="is", validate=validate.OneOf(OPERATORS))
    value = _Expected(required=True)


class _Guard(Sourced):
    id = _name(required=True)
    stage = fields.Enum(Stage, required=True, by_value=True)
    imports = Truth(required=True)
    fault_when = Bounded(fields.Nested(_Test), required=True, least=1, most=TESTS_MAX)
    code = _name(required=True)
    text = Text(REASON_LENGTH_MAX, required=True)


class _Waits(Schema):
    until = fields.String(required=True, validate=validate.OneOf(DATE_FACTS))
    code = _name(required=True)
    text = Text(REASON_LENGTH_MAX, required=True)


class _AuditTypes(fields.Field):
    """`"any"`, or a list of audit types."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> tuple[str, ...] | None:
        if value == "any":
            return None
        known = [kind.value for kind in AuditType]
        if not isinstance(value, list) or not value or any(one not in known for one in value):
            raise fault("unknown_choice", "Must be 'any' or a list of audit types.")
        return tuple(value)


class _Row(Sourced):
    id = _name(required=True)
    audit_types = _AuditTypes(required=True)
    when = Bounded(fields.Nested(_Test), required=True, least=1, most=TESTS_MAX)
    outcome = fields.Enum(Outcome, required=True, by_value=True)
    validity = fields.Dict(
        keys=fields.String(validate=validate.OneOf(VALIDITY_MAX)), values=_Expected(), required=True, allow_none=True
    )
    code = _name(required=True)
    text = Text(REASON_LENGTH_MAX, required=True)
    waits = fields.Nested(_Waits, load_default=None)
    by_person = Truth(load_default=False)

    @validates_schema
    def check_validity(self, data: dict, **_: Any) -> None:
        if (data["outcome"].level is None) == bool(data["validity"]):
            raise ValidationError("A row that sets a level has a validity, and no other has one.", "validity")

    @validates_schema
    def check_waits(self, data: dict, **_: Any) -> None:
        if data["waits"] and data["outcome"].level is not None:
            raise ValidationError("A row that sets a level does not wait.", "waits")


class RuleSetForm(Schema):
    """The form of a rule set's document. What its parts say of each other, `faults` looks at."""

    kind = fields.String(required=True, validate=validate.OneOf(["rule_set"]))
    id = fields.String(required=True, validate=validate.OneOf([DECISION_TABLE]))
    version = fields.Integer(required=True, strict=True, validate=validate.Range(1, 1_000_000))
    effective_from = Day(required=True)
    title = Text(NAME_LENGTH_MAX, required=True)
    source = Text(1_000, required=True)
    parameters = fields.Dict(keys=_name(), values=fields.Nested(_Parameter), required=True)
    guards = Bounded(fields.Nested(_Guard), required=True, most=RULES_MAX)
    rows = Bounded(fields.Nested(_Row), required=True, least=1, most=RULES_MAX)


_FORM = RuleSetForm()


def shipped() -> list[Publication]:
    """The rule sets that come with this release, for a database that holds none. See ADR 31."""
    documents = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(_FOLDER.glob("rule-set-*.json")))
    return [published(document, by=SHIPPED_BY, at=None) for document in documents]


def faults(document: Any) -> list[FieldError]:
    """Everything that is wrong with a rule set's document, by path; nothing where it can decide cases."""
    try:
        data, found = _FORM.load(document), []
    except ValidationError as error:
        data = error.valid_data
        found = [
            dataclasses.replace(one, path=_IN_A_DICT.sub(r"\1.\2", one.path))
            for one in field_errors(error.normalized_messages())
        ]
    return [*found, *_contradictions(data if isinstance(data, dict) else {})]


def rule_set_of(publication: Publication) -> RuleSet:
    """The rule set of a publication, parameters put in place.

    Raises ValueError where this release cannot decide by it: a newer one may have published what it does not know.
    """
    if wrong := faults(publication.document):
        said = " ".join(f"{one.path}: {one.message}" for one in wrong)
        raise ValueError(f"Rule set {publication.key} cannot be used by this release. {said}")
    data: Any = _FORM.load(publication.document)
    parameters = _values(data)
    return RuleSet(
        id=publication.id,
        number=publication.version,
        hash=publication.hash,
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
        by_person=data["by_person"],
    )


def _tests(data: list[dict], parameters: Mapping[str, Any]) -> tuple[Test, ...]:
    return tuple(
        Test(fact=one["fact"], comparison=one["comparison"], expected=_value(one["value"], parameters)) for one in data
    )


def _value(written: Any, parameters: Mapping[str, Any]) -> Any:
    """What is written, or what the parameter says that is named instead; None where there is no such parameter."""
    return parameters.get(written["parameter"]) if isinstance(written, dict) else written


def _values(data: Mapping[str, Any]) -> dict[str, Any]:
    given = (data.get("parameters") or {}).items()
    return {name: one["value"] for name, one in given if isinstance(one, dict) and "value" in one}


def _contradictions(data: Mapping[str, Any]) -> Iterator[FieldError]:
    """What the parts of a rule set say of each other. Of a part that cannot be read, nothing is said."""
    parameters = _values(data)
    due_days: Any = parameters.get("plan_due_days")
    if "parameters" in data and not (_number(due_days) and 1 <= due_days <= PLAN_DUE_DAYS_MAX):
        message = f"Must be there, with a whole number of days from 1 to {PLAN_DUE_DAYS_MAX}."
        yield FieldError("parameters.plan_due_days.value", "required", message)
    for kind in ("guards", "rows"):
        rules = data.get(kind) or []
        ids = [rule.get("id") for rule in rules]
        for index, rule in enumerate(rules):
            path = f"{kind}[{index}]"
            if rule.get("id") is not None and rule["id"] in ids[:index]:
                yield FieldError(f"{path}.id", "doubled", f"More than one has the id {rule['id']}.")
            facts = KNOWN_TO_ROWS if kind == "rows" else _KNOWN_TO_GUARDS.get(rule.get("stage"), KNOWN_TO_ISSUE_GUARDS)
            yield from _of_tests(rule, path, parameters, facts)
            yield from _of_validity(rule, path, parameters)
            yield from _of_texts(rule, path, parameters, facts)


def _of_tests(
    rule: Mapping[str, Any], path: str, parameters: Mapping[str, Any], facts: Collection[str]
) -> Iterator[FieldError]:
    name = "fault_when" if "fault_when" in rule else "when"
    for index, test in enumerate(rule.get(name) or []):
        if not {"fact", "comparison", "value"} <= test.keys():
            continue
        if test["fact"] not in facts:
            message = f"{test['fact']} is not known yet when this is tried."
            yield FieldError(f"{path}.{name}[{index}].fact", "unknown_choice", message)
        where, written = f"{path}.{name}[{index}].value", test["value"]
        if unknown := _unknown_parameter(written, parameters):
            yield FieldError(where, "unknown_choice", unknown)
        elif not _fits(KINDS[test["fact"]], test["comparison"], _value(written, parameters)):
            message = f"Is nothing that {test['fact']} can be compared with by {test['comparison']}."
            yield FieldError(where, "wrong_type", message)


def _of_validity(rule: Mapping[str, Any], path: str, parameters: Mapping[str, Any]) -> Iterator[FieldError]:
    for unit, written in (rule.get("validity") or {}).items():
        value, most = _value(written, parameters), VALIDITY_MAX.get(unit, 0)
        if unknown := _unknown_parameter(written, parameters):
            yield FieldError(f"{path}.validity.{unit}", "unknown_choice", unknown)
        elif not (_number(value) and 1 <= value <= most):
            yield FieldError(f"{path}.validity.{unit}", "out_of_range", f"Must be a whole number from 1 to {most}.")


def _of_texts(
    rule: Mapping[str, Any], path: str, parameters: Mapping[str, Any], facts: Collection[str]
) -> Iterator[FieldError]:
    known = {*facts, *(f"{name}_criteria" for name in facts), *parameters}
    for where, holder in ((f"{path}.text", rule), (f"{path}.waits.text", rule.get("waits") or {})):
        template = string.Template(holder.get("text") or "")
        if not template.is_valid():
            yield FieldError(where, "invalid_text", "Holds a $ that begins no name; a $ itself is written $$.")
        elif unknown := sorted({*template.get_identifiers()} - known):
            message = f"Names what is neither a fact that is known then nor a parameter: {', '.join(unknown)}."
            yield FieldError(where, "unknown_choice", message)


def _unknown_parameter(written: Any, parameters: Mapping[str, Any]) -> str:
    if isinstance(written, dict) and written["parameter"] not in parameters:
        return f"Names a parameter that does not exist: {written['parameter'][:NAME_LENGTH_MAX]}."
    return ""


def _fits(kind: Kind, comparison: str, expected: Any) -> bool:
    """Whether a fact of this kind can be compared so: what cannot would end in an error when a case meets it."""
    if comparison == "intersects":
        return kind is Kind.TEXTS and isinstance(expected, list)
    if comparison in ("in", "not_in"):
        return kind in (Kind.COUNT, Kind.TEXT) and isinstance(expected, list)
    if comparison in ("gt", "ge", "lt", "le"):
        return kind is Kind.COUNT and _number(expected)
    types: dict[Kind, type] = {Kind.COUNT: int, Kind.TEXT: str, Kind.TRUTH: bool}
    return type(expected) is types.get(kind)
