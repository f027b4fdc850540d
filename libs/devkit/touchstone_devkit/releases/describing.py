"""Writes a marshmallow schema down as JSON, and makes a schema again from what was written."""

import datetime
import decimal
import enum
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, missing, validate

Description = dict[str, Any]
"""Of a field: `kind` (marshmallow's class), `form` (ours, where it is one) and what that keeps of its `own`,
`required`, `null`, `default`, `choices`, `length`, `range`, `pattern`, `checks` (what has a name only), `items`, `keys`
and `values`, `fields`. What is absent is not there, or false."""


def describe(schema: Schema) -> dict[str, Description]:
    """Every field that may come in, by the name that it has on the wire."""
    return {field.data_key or name: _field(field) for name, field in schema.load_fields.items()}


def _field(field: fields.Field) -> Description:
    kind = next(c for c in type(field).__mro__ if c.__module__ == fields.__name__)
    described: Description = {"kind": kind.__name__}
    if type(field) is not kind:
        described |= {"form": f"{type(field).__module__}.{type(field).__qualname__}"}
        described |= {"own": own} if (own := _own(field)) else {}
    if field.required:
        described["required"] = True
    if field.allow_none:
        described["null"] = True
    if field.load_default is not missing:
        described["default"] = _plain(field.load_default)
    for validator in field.validators:
        _add_check(described, validator)
    return described | _inner(field)


def _inner(field: fields.Field) -> Description:
    if isinstance(field, fields.Nested):
        return {"fields": describe(field.schema)}
    if isinstance(field, fields.Enum):
        return {"choices": [_plain(member) for member in field.enum]}
    if isinstance(field, fields.List):
        return {"items": _field(field.inner)}
    if isinstance(field, fields.Dict):
        inner = {"keys": field.key_field, "values": field.value_field}
        return {name: _field(part) for name, part in inner.items() if part is not None}
    if isinstance(field, fields.Integer) and field.strict:
        return {"strict": True}
    return {}


def _add_check(described: Description, validator: Any) -> None:
    if isinstance(validator, validate.Length):
        least, most = (validator.equal, validator.equal) if validator.equal else (validator.min, validator.max)
        described["length"] = [least, most]
    elif isinstance(validator, validate.Range):
        described["range"] = [validator.min, validator.max]
    elif type(validator) is validate.OneOf:
        described["choices"] = list(validator.choices)
    elif type(validator) is validate.Regexp:
        described["pattern"] = validator.regex.pattern
    else:
        named = validator if hasattr(validator, "__qualname__") else type(validator)
        described.setdefault("checks", []).append(f"{named.__module__}.{named.__qualname__}")


def _own(field: fields.Field) -> dict[str, Any]:
    """What a field class of ours keeps beside what marshmallow's keep: its limits, say."""
    values = {k: v for k, v in vars(field).items() if k not in vars(fields.Field()) and k.startswith("_")}
    written = {k.lstrip("_"): v.pattern if isinstance(v, re.Pattern) else v for k, v in sorted(values.items())}
    return {k: v for k, v in written.items() if isinstance(v, (str, int, float))}


def _plain(value: Any) -> Any:
    if callable(value) and not isinstance(value, enum.Enum):
        value = value()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (datetime.date, decimal.Decimal)):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def schema_of(described: Mapping[str, Description]) -> Schema:
    """A schema that reads what the described one read: for events, whose schemas ignore what they do not know."""
    members: dict[str, Any] = {name: _rebuilt(field) for name, field in described.items()}
    members["Meta"] = type("Meta", (), {"unknown": EXCLUDE})
    return type("RecordedSchema", (Schema,), members)()


def _rebuilt(described: Description) -> fields.Field:
    options: dict[str, Any] = {"allow_none": described.get("null", False)}
    options |= {"load_default": described["default"]} if "default" in described else {"required": True}
    kind = described["kind"]
    if kind == "Enum":
        return fields.String(validate=validate.OneOf(described["choices"]), **options)
    if kind == "Nested":
        return fields.Nested(schema_of(described["fields"]), **options)
    if kind == "List":
        return fields.List(_rebuilt(described["items"]), **options)
    if kind == "Dict":
        return fields.Dict(keys=_rebuilt(described["keys"]), values=_rebuilt(described["values"]), **options)
    made: fields.Field = getattr(fields, kind)(**options, **({"strict": True} if kind == "Integer" else {}))
    return made
