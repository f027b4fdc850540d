"""Derives from a marshmallow schema a plain function that loads good input fast, or says that it is not sure.

marshmallow stays the definition of what is valid. The function either returns exactly what `schema.load(data)` returns
or UNSURE; errors always come from marshmallow. It is made by looking at the instances of schema and fields. What is not
known here to the last option is not guessed: such a field loads its place itself, and a schema with such a hook,
option or overridden method is not derived at all. See docs/adr/0020-load-good-input-fast.md.
"""

import functools
from collections.abc import Callable
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError
from marshmallow.decorators import POST_DUMP, POST_LOAD, PRE_DUMP, VALIDATES_SCHEMA
from marshmallow.fields import Field
from marshmallow.schema import SchemaOpts

from touchstone_contracts.codec.checks import condition_of
from touchstone_contracts.codec.fields import TAKES, knows_options_of, own_take
from touchstone_contracts.codec.source import Condition, Member, Same, Take, check_of, function_of, object_of

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


class _Unsure:
    def __repr__(self) -> str:
        return "UNSURE"


UNSURE: Any = _Unsure()
"""Instead of what was loaded: marshmallow has to look at it."""


def load(schema: Schema, data: Any) -> Any:
    """What `schema.load(data)` returns or raises."""
    loaded = load_if_sure(schema, data)
    if loaded is not UNSURE:
        return loaded
    try:
        return schema.load(data)
    except ValidationError as error:
        # marshmallow's frames know their error, and it them: in that circle they would keep what was to be loaded.
        raise error.with_traceback(None) from None


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
    names, keys = {member.name for member in members}, {member.key for member in members}
    if not (len(names) == len(keys) == len(members)) or any("." in key for key in keys):
        return None
    take = object_of(members, strict=schema.unknown == RAISE)
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


def _member(attribute: str, field: Field) -> Member:
    name = field.data_key if field.data_key is not None else attribute
    take, key = take_of(field), field.attribute or attribute
    if take is None:
        own = functools.partial(_own, field, name)
        return Member(name, key, field.deserialize, required=False, own=own)
    return Member(name, key, take, required=field.required, default=field.load_default)


def _own(field: Field, name: str, value: Any, data: Any) -> Any:
    return field.deserialize(value, name, data)


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


def take_of(field: Field) -> Take | Same | None:
    """How to take what is present for the field. None where the field or an option of it is not known."""
    derive = TAKES.get(type(field), own_take)
    take = derive(field, _inner_take, _derived) if knows_options_of(field) else None
    if take is None:
        return None
    if field.validators:
        take = _checked(take, field.validators)
    return _or_none(take) if field.allow_none else take


def _inner_take(field: Field) -> Take:
    """For a field within a list or mapping, which marshmallow calls with the value alone."""
    take = take_of(field)
    return field.deserialize if take is None else function_of(take)


def _checked(take: Take | Same, validators: list[Callable[[Any], Any]]) -> Take | Same:
    conditions = [condition_of(validator) for validator in validators]
    if isinstance(take, Same) and take.otherwise is None and None not in conditions:
        return Same(_all_of([take.condition, *(c for c in conditions if c is not None)]))
    take_first = function_of(take)
    checks = [v if c is None else check_of(c) for v, c in zip(validators, conditions, strict=True)]

    def take_and_check(value: Any) -> Any:
        loaded = take_first(value)
        for check in checks:
            check(loaded)
        return loaded

    return take_and_check


def _all_of(conditions: list[Condition]) -> Condition:
    return lambda value, bind: " and ".join(condition(value, bind) for condition in conditions)


def _or_none(take: Take | Same) -> Take | Same:
    if isinstance(take, Same):
        condition = take.condition
        return Same(lambda value, bind: f"({value} is None or ({condition(value, bind)}))", take.otherwise)

    def take_or_none(value: Any) -> Any:
        return None if value is None else take(value)

    return take_or_none
