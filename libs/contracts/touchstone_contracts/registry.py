"""Defines and registers event types: one frozen dataclass gives the wire name, the schema and the routing."""

import dataclasses
import datetime
import decimal
import enum
import string
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from marshmallow import EXCLUDE, Schema, fields, post_load

from touchstone_contracts.codec.dumping import dump_if_sure
from touchstone_contracts.codec.loading import UNSURE, load_if_sure, loads_alike

REGISTRY: dict[str, type] = {}

_T = TypeVar("_T")
_SCALARS: dict[type, type[fields.Field]] = {
    str: fields.String,
    int: fields.Integer,
    bool: fields.Boolean,
    datetime.datetime: fields.AwareDateTime,
    datetime.date: fields.Date,
}


def detail(text: str, *, example: Any, default: Any = dataclasses.MISSING, public: bool = False) -> Any:
    """A documented attribute of an event or value. One with a default may be absent on the wire.

    `public`: of an event, it tells a person what happened, and is shown to whoever follows the case; nothing else is.
    """
    metadata = {"description": text, "example": example, "public": public}
    if isinstance(default, (list, dict)):
        return dataclasses.field(metadata=metadata, default_factory=lambda: type(default)(default))
    return dataclasses.field(metadata=metadata, default=default)


@typing.dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(detail,))
def value(cls: type[_T]) -> type[_T]:
    """Make the decorated class a frozen value that events may hold."""
    frozen = dataclasses.dataclass(frozen=True, kw_only=True)(cls)
    frozen.schema = _schema_for(frozen)()  # type: ignore[attr-defined]
    return frozen


@typing.dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(detail,))
def event(
    name: str,
    *,
    version: int,
    subject: str,
    summary: str,
    words: str = "",
    personal: bool = False,
    record: bool = False,
    replaces: type | None = None,
) -> Callable[[type[_T]], type[_T]]:
    """Make the decorated class a registered event type.

    `name` is `<service>.<noun_verb_past>`; `subject` names the attribute that holds the aggregate's id;
    `words` says to people what happened, with public attributes in braces (its name, where it has none of its own);
    `personal` marks a type that carries contact details, whose body must leave every store once delivered;
    `record` marks one that carries the whole shareable state of its aggregate and goes with each version of it: copies
    are built from these alone. Any other type is a story, which says what happened;
    `replaces` is the version before, from which the class method `upcast(old)` makes this one. While it also has the
    method `downcast()`, the old one is published too (see `touchstone_contracts.versions`).
    Raises TypeError when the type is registered already, has no such attribute, cannot be made from what it replaces or
    has words about what is not public.
    """

    def register(cls: type[_T]) -> type[_T]:
        made: Any = value(cls)
        made.producer, made.local_name = name.split(".")
        made.version = version
        made.routing_key = f"{made.local_name}.v{version}"
        made.type_name = f"{name}.v{version}"
        made.subject_field = subject
        made.summary = summary
        made.public = tuple(f.name for f in dataclasses.fields(made) if f.metadata.get("public"))
        made.words = _about_public(words, made) or made.local_name.replace("_", " ")
        made.personal = personal
        made.record = record
        made.replaces = _checked(replaces, made, name, version)
        if made.type_name in REGISTRY:
            raise TypeError(f"{made.type_name} is already registered")
        if subject not in {f.name for f in dataclasses.fields(made)}:
            raise TypeError(f"{made.type_name} has no attribute {subject}")
        REGISTRY[made.type_name] = made
        return made

    return register


def name_of(type_name: str) -> str:
    """An event's name without its version, `<service>.<noun_verb_past>`."""
    return type_name.rpartition(".v")[0] or type_name


def known(type_name: str | None) -> Any:
    """The registered class of that type; of a version that is not known here, the class of one that is; else None."""
    name = (type_name or "").rpartition(".v")[0]
    others = (made for key, made in REGISTRY.items() if key.rpartition(".v")[0] == name)
    return REGISTRY.get(type_name or "") or next(others, None)


def _about_public(words: str, made: Any) -> str:
    named = {name for _, name, _, _ in string.Formatter().parse(words) if name is not None}
    if hidden := sorted(named - set(made.public)):
        raise TypeError(f"{made.type_name} has words about what is not public: {', '.join(hidden)}")
    return words


def _checked(replaced: Any, made: Any, name: str, version: int) -> Any:
    if replaced is not None:
        if (replaced.producer, replaced.local_name) != tuple(name.split(".")) or replaced.version >= version:
            raise TypeError(f"{name}.v{version} replaces an earlier version of itself, not {replaced.type_name}")
        if not hasattr(made, "upcast"):
            raise TypeError(f"{name}.v{version} does not say how it is made from {replaced.type_name}: upcast(old)")
    elif hasattr(made, "downcast"):
        raise TypeError(f"{name}.v{version} has a downcast and replaces nothing")
    return replaced


def _field_for(hint: Any, **options: Any) -> fields.Field:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (a for a in arguments if a is not type(None))
        return _field_for(inner, **options, allow_none=True)
    if origin is list:
        return fields.List(_field_for(arguments[0]), **options)
    if origin is dict:
        return fields.Dict(keys=_field_for(arguments[0]), values=_field_for(arguments[1]), **options)
    if dataclasses.is_dataclass(hint):
        return fields.Nested(hint.schema, **options)  # type: ignore[union-attr]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return fields.Enum(hint, by_value=True, **options)
    if hint is decimal.Decimal:
        return fields.Decimal(as_string=True, **options)
    if hint is int:
        return fields.Integer(strict=True, **options)
    return _SCALARS[hint](**options)


def _options_of(field: dataclasses.Field) -> dict[str, Any]:
    options: dict[str, Any] = {"metadata": dict(field.metadata)}
    if field.default_factory is not dataclasses.MISSING:
        return options | {"load_default": field.default_factory}
    if field.default is not dataclasses.MISSING:
        return options | {"load_default": field.default}
    return options | {"required": True}


class _TolerantSchema(Schema):
    """Ignores what it does not know, so that an additive change never breaks a consumer.

    Loads and dumps the quick way where that is sure to give the same as marshmallow's.
    """

    class Meta:
        unknown = EXCLUDE

    @loads_alike
    def load(self, data: Any, *, many: Any = None, partial: Any = None, unknown: Any = None) -> Any:
        if many is partial is unknown is None and (loaded := load_if_sure(self, data)) is not UNSURE:
            return loaded
        return super().load(data, many=many, partial=partial, unknown=unknown)

    @loads_alike
    def dump(self, obj: Any, *, many: Any = None) -> Any:
        if not many and (dumped := dump_if_sure(self, obj)) is not UNSURE:
            return dumped
        return super().dump(obj, many=many)


def _schema_for(cls: Any) -> type[Schema]:
    hints = typing.get_type_hints(cls)
    members: dict[str, Any] = {f.name: _field_for(hints[f.name], **_options_of(f)) for f in dataclasses.fields(cls)}

    def build(_self: Schema, data: dict, **_: Any) -> Any:
        return cls(**data)

    members["build"] = post_load(build)
    return type(f"{cls.__name__}Schema", (_TolerantSchema,), members)
