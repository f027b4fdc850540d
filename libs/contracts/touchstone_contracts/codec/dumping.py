"""Derives from a marshmallow schema a plain function that dumps objects fast, to exactly what `schema.dump` gives.

As in `touchstone_contracts.codec.loading`: what is not known here to the last option is dumped by marshmallow itself.
"""

import datetime
import functools
import operator
from collections.abc import Callable
from typing import Any

from marshmallow import Schema, fields, missing
from marshmallow.decorators import POST_DUMP, PRE_DUMP
from marshmallow.fields import Field

from touchstone_contracts.codec.fields import knows_options_of
from touchstone_contracts.codec.loading import UNSURE, is_as_marshmallow_made_it
from touchstone_contracts.codec.source import NotSure, Part, Writing, is_attribute, parts_of

_SCHEMA_METHODS = ("dump", "_serialize", "get_attribute", "_invoke_dump_processors", "__getattribute__")
_SCHEMAS_MAX = 1024
_ISO_FORMATS = (datetime.date.isoformat, datetime.datetime.isoformat)

Put = Callable[[Any], Any]


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
    members = [
        Part(
            field.data_key if field.data_key is not None else name,
            name if field.attribute is None else field.attribute,
            writing,
        )
        for name, field in schema.dump_fields.items()
        if (writing := _writing(field)) is not None
    ]
    if len(members) < len(schema.dump_fields) or not all(is_attribute(member.attribute) for member in members):
        return None
    return parts_of(members)


def _writing(field: Field) -> Writing | None:
    derive = _WRITINGS.get(type(field))
    known = derive is not None and knows_options_of(field) and field.dump_default is missing
    return derive(field) if derive is not None and known else None


def _own(field: Any, *same: type) -> Writing:
    """What the field does itself; the fields that are known here look at nothing but the value."""

    def put(value: Any) -> Any:
        if value is missing:
            raise NotSure
        return field._serialize(value, None, None)

    return Writing(same, put)


def _whole_number(field: fields.Integer) -> Writing:
    return _own(field) if field.as_string else _own(field, int)


def _time(field: fields.Date | fields.AwareDateTime) -> Writing:
    write = field.SERIALIZATION_FUNCS.get(field.format or field.DEFAULT_FORMAT)
    return Writing((), write) if write in _ISO_FORMATS else _own(field)


def _choice(field: fields.Enum) -> Writing | None:
    return Writing((), operator.attrgetter("value")) if field.by_value is True else None


def _list(field: fields.List) -> Writing | None:
    item = _writing(field.inner)
    return None if item is None else Writing((), functools.partial(_listed, (type(None), *item.same), item.put))


def _listed(same: tuple[type, ...], put_item: Put, value: Any) -> list[Any]:
    if type(value) is not list and type(value) is not tuple:  # what can be read but once is left to marshmallow
        raise NotSure
    return [item if type(item) in same else put_item(item) for item in value]


def _dict(field: fields.Dict) -> Writing | None:
    keys = _writing(field.key_field) if field.key_field else None
    items = _writing(field.value_field) if field.value_field else None
    if keys is None or items is None:
        return None
    same_keys, same_items = (type(None), *keys.same), (type(None), *items.same)
    put_key, put_item = keys.put, items.put

    def put(value: Any) -> dict[Any, Any]:
        if type(value) is not dict:
            raise NotSure
        return {
            key if type(key) in same_keys else put_key(key): item if type(item) in same_items else put_item(item)
            for key, item in value.items()
        }

    return Writing((), put)


def _nested(field: fields.Nested) -> Writing | None:
    is_plain = isinstance(field.nested, Schema) or (isinstance(field.nested, type) and issubclass(field.nested, Schema))
    if not is_plain or field.many or field.schema.many:
        return None
    put = _derived(field.schema)
    return None if put is None else Writing((), put)


_WRITINGS: dict[type, Callable[[Any], Writing | None]] = {
    fields.String: lambda field: _own(field, str),
    fields.Integer: _whole_number,
    fields.Boolean: lambda field: _own(field, bool),
    fields.Decimal: lambda field: _own(field),
    fields.Date: _time,
    fields.AwareDateTime: _time,
    fields.Enum: _choice,
    fields.List: _list,
    fields.Dict: _dict,
    fields.Nested: _nested,
}
