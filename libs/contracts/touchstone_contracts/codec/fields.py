"""Says for each known field type how it takes a value: by a plain function that is sure or raises, or as it is.

A function gets a value that is present and returns exactly what the field's `_deserialize` returns; of None, too, it is
not sure. It takes the types that JSON has, exactly, and raises on everything else.
"""

import datetime
import decimal
import enum
import math
from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields
from marshmallow.fields import Field

from touchstone_contracts.codec.source import NotSure, Same, Take

Inner = Callable[[Field], Take]
Derived = Callable[[Schema], Take | None]

_OPTIONS = {
    *(
        "allow_none",
        "attribute",
        "data_key",
        "dump_default",
        "dump_only",
        "error_messages",
        "load_default",
        "load_only",
    ),
    *("metadata", "name", "parent", "post_load", "pre_load", "required", "root", "validate", "validators"),
}
_MORE_OPTIONS: dict[type, set[str]] = {
    fields.Integer: {"as_string", "strict"},
    fields.Float: {"as_string", "allow_nan"},
    fields.Decimal: {"as_string", "allow_nan", "places", "rounding"},
    fields.Date: {"format"},
    fields.AwareDateTime: {"format", "default_timezone"},
    fields.List: {"inner", "only", "exclude"},
    fields.Dict: {"key_field", "value_field", "only", "exclude"},
    fields.Nested: {"nested", "only", "exclude", "many", "unknown", "_schema"},
    fields.Enum: {"enum", "by_value", "field", "choices_text"},
}
_FIELD_METHODS = ("deserialize", "_validate", "_validate_all", "_validate_missing", "__getattribute__")


def knows_options_of(field: Field) -> bool:
    """Whether each attribute of the instance is an option known here; a type of our own may have private ones, too."""
    if getattr(field, "pre_load", ()) or getattr(field, "post_load", ()):
        return False
    family = next((kind for kind in type(field).__mro__ if kind in TAKES), fields.Raw)
    names = set(vars(field))
    if type(field) is not family:
        names = {name for name in names if not name.startswith("_") or hasattr(type(field), name)}
    return names <= _OPTIONS | _MORE_OPTIONS.get(family, set())


def own_take(field: Any, inner: Inner, derived: Derived) -> Take | Same | None:
    """For a field type of our own: what its `quick_deserialize(inner)` gives.

    Believed only where the very class that defines `_deserialize` defines it, and nothing else is overridden.
    """
    kind = type(field)
    if _owner(kind, "_deserialize") is not _owner(kind, "quick_deserialize"):
        return None
    if any(getattr(kind, name) is not getattr(Field, name) for name in _FIELD_METHODS):
        return None
    take: Take | Same = field.quick_deserialize(inner)
    return take


def _owner(kind: type, method: str) -> type | None:
    return next((c for c in kind.__mro__ if method in vars(c)), None)


def same_of_type(kind: type) -> Same:
    """Values of exactly this type are loaded as they are."""
    return Same(lambda value, bind: f"type({value}) is {bind(kind)}")


def _raw(field: fields.Raw, inner: Inner, derived: Derived) -> Same:
    return Same(lambda value, bind: f"{value} is not None and {value} is not missing")


def _string(field: fields.String, inner: Inner, derived: Derived) -> Same:
    return same_of_type(str)


def _integer(field: fields.Integer, inner: Inner, derived: Derived) -> Same:
    return same_of_type(int)


def _boolean(field: fields.Boolean, inner: Inner, derived: Derived) -> Same | None:
    ordinary = True in field.truthy and False in field.falsy and False not in field.truthy
    return same_of_type(bool) if ordinary else None


def _float(field: fields.Float, inner: Inner, derived: Derived) -> Take:
    def take(value: Any) -> float:
        if (type(value) is float and math.isfinite(value)) or type(value) is int:
            return float(value)
        raise NotSure

    return take


def _decimal(field: fields.Decimal, inner: Inner, derived: Derived) -> Take | None:
    if field.places is not None:
        return None

    def take(value: Any) -> decimal.Decimal:
        if type(value) is str and (number := decimal.Decimal(value)).is_finite():
            return number
        raise NotSure

    return take


def _date(field: fields.Date, inner: Inner, derived: Derived) -> Take | None:
    read = datetime.date.fromisoformat
    if field.DESERIALIZATION_FUNCS.get(field.format or field.DEFAULT_FORMAT) != read:
        return None

    def take(value: Any) -> datetime.date:
        if type(value) is str:
            return read(value)
        raise NotSure

    return take


def _aware(field: fields.AwareDateTime, inner: Inner, derived: Derived) -> Take | None:
    read = datetime.datetime.fromisoformat
    if field.DESERIALIZATION_FUNCS.get(field.format or field.DEFAULT_FORMAT) != read:
        return None

    def take(value: Any) -> datetime.datetime:
        if type(value) is str and (moment := read(value)).tzinfo is not None:
            return moment
        raise NotSure

    return take


def _enum(field: fields.Enum, inner: Inner, derived: Derived) -> Take | None:
    if field.by_value is not True or type(field.enum) is not enum.EnumType:
        return None
    members = {member.value: member for member in field.enum if type(member.value) is str}

    def take(value: Any) -> Any:
        if type(value) is str:
            return members[value]
        raise NotSure

    return take


def _list(field: fields.List, inner: Inner, derived: Derived) -> Take:
    take_item = inner(field.inner)

    def take(value: Any) -> list[Any]:
        if type(value) is not list:
            raise NotSure
        return [take_item(item) for item in value]

    return take


def _dict(field: fields.Dict, inner: Inner, derived: Derived) -> Take | None:
    take_key = inner(field.key_field) if field.key_field else None
    take_item = inner(field.value_field) if field.value_field else None
    if take_key is None:
        return None

    def take(value: Any) -> dict[Any, Any]:
        if type(value) is not dict:
            raise NotSure
        if take_item is None:
            return {take_key(key): item for key, item in value.items()}
        return {take_key(key): take_item(item) for key, item in value.items()}

    return take


def _nested(field: fields.Nested, inner: Inner, derived: Derived) -> Take | None:
    is_plain = isinstance(field.nested, Schema) or (isinstance(field.nested, type) and issubclass(field.nested, Schema))
    if not is_plain or field.many or field.unknown is not None or field.schema.many:
        return None
    return derived(field.schema)


TAKES: dict[type, Callable[[Any, Inner, Derived], Take | Same | None]] = {
    fields.Raw: _raw,
    fields.String: _string,
    fields.Integer: _integer,
    fields.Float: _float,
    fields.Decimal: _decimal,
    fields.Boolean: _boolean,
    fields.Date: _date,
    fields.AwareDateTime: _aware,
    fields.Enum: _enum,
    fields.List: _list,
    fields.Dict: _dict,
    fields.Nested: _nested,
}
