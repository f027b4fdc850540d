"""Derives from a marshmallow schema a plain function that loads good input fast, or says that it is not sure.

marshmallow stays the definition of what is valid. The function either returns exactly what `schema.load(data)` returns
or UNSURE; errors always come from marshmallow. It is made by looking at the instances of schema and fields. What is not
known here to the last option is not guessed: such a field loads its place itself, and a schema with such a hook,
option or overridden method is not derived at all. See docs/adr/0020-load-good-input-fast.md.
"""

import functools
from collections.abc import Callable
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, missing
from marshmallow.decorators import POST_DUMP, POST_LOAD, PRE_DUMP, VALIDATES_SCHEMA
from marshmallow.fields import Field
from marshmallow.schema import SchemaOpts

from touchstone_contracts.quick_checks import check_of
from touchstone_contracts.quick_fields import TAKES, NotSure, Take, knows_options_of, own_take

_SCHEMA_METHODS = (
    *("load", "_do_load", "_deserialize", "_call_and_store", "_run_validator", "_invoke_field_validators"),
    *("_invoke_schema_validators", "_invoke_load_processors", "_invoke_processors", "__getattribute__"),
)
_SCHEMA_OPTIONS = {
    *("declared_fields", "dump_fields", "dump_only", "error_messages", "exclude", "fields", "load_fields", "load_only"),
    *("many", "only", "partial", "unknown"),
}
_META_OPTIONS = {
    *("dateformat", "datetimeformat", "dump_only", "exclude", "fields", "include", "index_errors", "load_only", "many"),
    *("register", "render_module", "timeformat", "unknown"),
}
_HOOKS = {POST_LOAD: {"pass_original"}, VALIDATES_SCHEMA: {"pass_original", "skip_on_field_errors"}}
_HOOKS_OF_DUMP = {PRE_DUMP, POST_DUMP}
_SCHEMAS_MAX = 1024

_Member = tuple[str, str, Take | None, Callable[[Any, Any], Any] | None]


class _Unsure:
    def __repr__(self) -> str:
        return "UNSURE"


UNSURE: Any = _Unsure()
"""Instead of what was loaded: marshmallow has to look at it."""


def load(schema: Schema, data: Any) -> Any:
    """What `schema.load(data)` returns or raises."""
    loaded = load_if_sure(schema, data)
    return schema.load(data) if loaded is UNSURE else loaded


def load_if_sure(schema: Schema, data: Any) -> Any:
    """What `schema.load(data)` returns, or UNSURE. Raises nothing.

    The first call derives the function; the schema must not be changed after it.
    """
    try:
        take = _derived(schema)
        return UNSURE if take is None else take(data)
    except Exception:  # whatever it is, marshmallow meets it again and says so
        return UNSURE


def loads_alike(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark an override of a schema's `load` or `dump`: it gives what marshmallow's own method gives, only sooner."""
    method.alike = True  # type: ignore[attr-defined]
    return method


def is_as_marshmallow_made_it(schema: Schema, methods: tuple[str, ...]) -> bool:
    """Whether the schema has no method or option in use that is not known here."""
    kind = type(schema)
    own = [getattr(kind, name) for name in methods if getattr(kind, name) is not getattr(Schema, name)]
    return (
        all(getattr(method, "alike", False) for method in own)
        and vars(schema).keys() <= _SCHEMA_OPTIONS
        and type(schema.opts) is SchemaOpts
        and vars(schema.opts).keys() <= _META_OPTIONS
        and schema.dict_class is dict
        and schema.many is False
        and schema.partial is None
    )


@functools.lru_cache(maxsize=_SCHEMAS_MAX)
def _derived(schema: Schema) -> Take | None:
    if not (is_as_marshmallow_made_it(schema, _SCHEMA_METHODS) and _knows_hooks_of(schema)):
        return None
    members = [_member(name, field) for name, field in schema.load_fields.items()]
    names, keys = {name for name, *_ in members}, {key for _, key, *_ in members}
    if not (len(names) == len(keys) == len(members)) or any("." in key for key in keys):
        return None
    take = _taking_members(members, strict=schema.unknown == RAISE)
    return _with_hooks(schema, take) if any(schema._hooks[tag] for tag in _HOOKS) else take


def _knows_hooks_of(schema: Schema) -> bool:
    if schema.unknown not in (RAISE, EXCLUDE):
        return False
    for tag, hooks in schema._hooks.items():
        if tag in _HOOKS_OF_DUMP or not hooks:
            continue
        for _, for_many, options in hooks:
            known = _HOOKS.get(tag)
            if known is None or for_many or not options.keys() <= known or options.get("pass_original"):
                return False
    return True


def _member(attribute: str, field: Field) -> _Member:
    """Name in the input, key in the output, what takes a value, and what stands in for a value that is missing."""
    name = field.data_key if field.data_key is not None else attribute
    key = field.attribute or attribute
    take = take_of(field)
    if take is None:
        return name, key, None, lambda value, data: field.deserialize(value, name, data)
    if field.required:
        return name, key, take, _is_required
    default = field.load_default
    if default is missing:
        return name, key, take, None
    return name, key, take, lambda _value, _data: default() if callable(default) else default


def _is_required(_value: Any, _data: Any) -> Any:
    raise NotSure


def _taking_members(members: list[_Member], *, strict: bool) -> Take:
    """Goes through the input once, as long as it comes in the schema's order: what is loaded has to have that order."""
    take_each = _taking_each(members, strict=strict)
    spots = {name: (1 << place, key, take) for place, (name, key, take, _) in enumerate(members) if take is not None}
    if len(spots) < len(members):
        return take_each
    # Where one of these is missing, something has to be done about it.
    wanted = sum(1 << place for place, (*_, otherwise) in enumerate(members) if otherwise is not None)
    spot_of = spots.get

    def take(data: Any) -> dict[str, Any]:
        if type(data) is not dict:
            raise NotSure
        loaded, found = {}, 0
        for name, value in data.items():
            spot = spot_of(name)
            if spot is None:
                if strict:
                    raise NotSure
                continue
            bit, key, take_value = spot
            if bit < found or value is missing:
                return take_each(data)
            found |= bit
            loaded[key] = take_value(value)
        return loaded if found & wanted == wanted else take_each(data)

    return take


def _taking_each(members: list[_Member], *, strict: bool) -> Take:
    def take(data: Any) -> dict[str, Any]:
        if type(data) is not dict:
            raise NotSure
        get, loaded, found = data.get, {}, 0
        for name, key, take_value, otherwise in members:
            value = get(name, missing)
            if value is not missing:
                found += 1
                if take_value is not None:
                    loaded[key] = take_value(value)
                    continue
            if otherwise is not None:
                value = otherwise(value, data)
                if value is not missing:
                    loaded[key] = value
        if strict and found != len(data):
            raise NotSure
        return loaded

    return take


def _with_hooks(schema: Schema, take: Take) -> Take:
    """Calls the hooks as marshmallow does: validators of the whole first, then what makes something else of it."""
    options = {"many": False, "partial": None, "unknown": schema.unknown}
    checks = [getattr(schema, name) for name, _, _ in schema._hooks[VALIDATES_SCHEMA]]
    makers = [getattr(schema, name) for name, _, _ in schema._hooks[POST_LOAD]]

    def take_and_make(data: Any) -> Any:
        loaded = take(data)
        for check in checks:
            check(loaded, **options)
        for make in makers:
            loaded = make(loaded, **options)
        return loaded

    return take_and_make


def take_of(field: Field) -> Take | None:
    """A function from a value that is present to what the field loads from it; it raises when it is not sure.

    None where the field or an option of it is not known.
    """
    derive = TAKES.get(type(field), own_take)
    take = derive(field, _inner_take, _derived) if knows_options_of(field) else None
    if take is None:
        return None
    if field.validators:
        take = _checked(take, [check_of(validator) for validator in field.validators])
    return _or_none(take) if field.allow_none else take


def _inner_take(field: Field) -> Take:
    """For a field within a list or mapping, which marshmallow calls with the value alone."""
    return take_of(field) or field.deserialize


def _checked(take: Take, checks: list[Callable[[Any], Any]]) -> Take:
    def take_and_check(value: Any) -> Any:
        loaded = take(value)
        for check in checks:
            check(loaded)
        return loaded

    return take_and_check


def _or_none(take: Take) -> Take:
    def take_or_none(value: Any) -> Any:
        return None if value is None else take(value)

    return take_or_none
