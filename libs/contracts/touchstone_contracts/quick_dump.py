"""Derives from a marshmallow schema a plain function that dumps objects fast, to exactly what `schema.dump` gives.

As in `touchstone_contracts.quick_load`: what is not known here to the last option is dumped by marshmallow itself.
"""

import datetime
import functools
import operator
from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields, missing
from marshmallow.decorators import POST_DUMP, PRE_DUMP
from marshmallow.fields import Field

from touchstone_contracts.quick_checks import NotSure
from touchstone_contracts.quick_fields import knows_options_of
from touchstone_contracts.quick_load import UNSURE, is_as_marshmallow_made_it

_SCHEMA_METHODS = ("dump", "_serialize", "get_attribute", "_invoke_dump_processors", "__getattribute__")
_SCHEMAS_MAX = 1024

Put = Callable[[Any], Any]
_Writing = tuple[frozenset[type], Put]
"""Types of values that stay as they are, and what is done with every other value."""


def dump_if_sure(schema: Schema, value: Any) -> Any:
    """What `schema.dump(value)` returns, or UNSURE. Raises nothing.

    The first call derives the function; the schema must not be changed after it.
    """
    try:
        put = _derived(schema)
        return UNSURE if put is None else put(value)
    except Exception:  # whatever it is, marshmallow meets it again and says so
        return UNSURE


@functools.lru_cache(maxsize=_SCHEMAS_MAX)
def _derived(schema: Schema) -> Put | None:
    plain = is_as_marshmallow_made_it(schema, _SCHEMA_METHODS)
    if not plain or schema._hooks[PRE_DUMP] or schema._hooks[POST_DUMP]:
        return None
    members: list[tuple[str, frozenset[type], Put]] = []
    attributes = []
    for name, field in schema.dump_fields.items():
        writing = _writing(field)
        if writing is None:
            return None
        members.append((field.data_key if field.data_key is not None else name, *writing))
        attributes.append(name if field.attribute is None else field.attribute)
    # With one name, attrgetter gives no tuple; with a dot in a name it would go another way than marshmallow.
    if len(members) < 2 or any("." in attribute for attribute in attributes):
        return None
    return _putting_members(members, operator.attrgetter(*attributes))


def _putting_members(members: list[tuple[str, frozenset[type], Put]], values_of: Callable[[Any], Any]) -> Put:
    def put(value: Any) -> dict[str, Any]:
        if hasattr(value, "__getitem__"):  # marshmallow would ask for items first
            raise NotSure
        dumped = {}
        for (key, same, put_value), member in zip(members, values_of(value), strict=True):
            if type(member) in same:
                dumped[key] = member
            elif member is missing:
                raise NotSure
            else:
                dumped[key] = put_value(member)
        return dumped

    return put


def _writing(field: Field) -> _Writing | None:
    derive = _WRITINGS.get(type(field))
    known = derive is not None and knows_options_of(field) and field.dump_default is missing
    return derive(field) if derive is not None and known else None


def _own(field: Any, *same: type) -> _Writing:
    """What the field does itself; the fields that are known here look at nothing but the value."""
    return frozenset((*same, type(None))), lambda value: field._serialize(value, None, None)


def _whole_number(field: fields.Integer) -> _Writing:
    return _own(field) if field.as_string else _own(field, int)


def _day(field: fields.Date) -> _Writing:
    write = datetime.date.isoformat
    is_iso = field.SERIALIZATION_FUNCS.get(field.format or field.DEFAULT_FORMAT) is write
    return (frozenset((type(None),)), write) if is_iso else _own(field)


def _moment(field: fields.AwareDateTime) -> _Writing:
    write = datetime.datetime.isoformat
    is_iso = field.SERIALIZATION_FUNCS.get(field.format or field.DEFAULT_FORMAT) is write
    return (frozenset((type(None),)), write) if is_iso else _own(field)


def _choice(field: fields.Enum) -> _Writing | None:
    if field.by_value is not True:
        return None
    return frozenset((type(None),)), operator.attrgetter("value")


def _list(field: fields.List) -> _Writing | None:
    writing = _writing(field.inner)
    if writing is None:
        return None
    same, put_item = writing
    return frozenset((type(None),)), lambda value: [i if type(i) in same else put_item(i) for i in value]


def _dict(field: fields.Dict) -> _Writing | None:
    keys = _writing(field.key_field) if field.key_field else None
    items = _writing(field.value_field) if field.value_field else None
    if keys is None or items is None:
        return None
    (same_keys, put_key), (same_items, put_item) = keys, items

    def put(value: Any) -> dict[Any, Any]:
        return {
            key if type(key) in same_keys else put_key(key): item if type(item) in same_items else put_item(item)
            for key, item in value.items()
        }

    return frozenset((type(None),)), put


def _nested(field: fields.Nested) -> _Writing | None:
    is_plain = isinstance(field.nested, Schema) or (isinstance(field.nested, type) and issubclass(field.nested, Schema))
    if not is_plain or field.many or field.schema.many:
        return None
    put = _derived(field.schema)
    return None if put is None else (frozenset((type(None),)), put)


_WRITINGS: dict[type, Callable[[Any], _Writing | None]] = {
    fields.String: lambda field: _own(field, str),
    fields.Integer: _whole_number,
    fields.Boolean: lambda field: _own(field, bool),
    fields.Decimal: _own,
    fields.Date: _day,
    fields.AwareDateTime: _moment,
    fields.Enum: _choice,
    fields.List: _list,
    fields.Dict: _dict,
    fields.Nested: _nested,
}
