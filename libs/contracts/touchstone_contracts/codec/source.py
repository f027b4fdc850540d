"""Writes functions that load or dump a value fast as Python source, and compiles them.

Only names made here and string literals of field names get into the source; everything else is bound to a name.
"""

import dataclasses
import keyword
from collections.abc import Callable, Iterator
from typing import Any

from marshmallow import missing

Take = Callable[[Any], Any]
"""Gives what is loaded from a value that is present, or raises when it is not sure."""
Bind = Callable[[Any], str]
"""Gives the name by which the source knows a thing."""
Condition = Callable[[str, Bind], str]
"""Python for what must hold of a value, given the value's name: an expression that may stand between `and`s."""


class NotSure(Exception):
    """The quick way does not know: marshmallow has to look at it."""


@dataclasses.dataclass(frozen=True)
class Same:
    """How to take a value: as it is where a condition holds, else by `otherwise`, if there is one."""

    condition: Condition
    otherwise: Take | None = None


@dataclasses.dataclass(frozen=True)
class Member:
    """A field of an object: its name in the input, its key in the output, and how its value is taken.

    `default` is what marshmallow has for a missing value (`missing`: nothing). With `own`, which gets value and input,
    marshmallow's field does it all.
    """

    name: str
    key: str
    take: Take | Same
    required: bool
    default: Any = missing
    own: Callable[[Any, Any], Any] | None = None


@dataclasses.dataclass(frozen=True)
class Writing:
    """How a value is dumped: None and values of exactly the types `same` as they are, all others by `put`."""

    same: tuple[type, ...]
    put: Take


@dataclasses.dataclass(frozen=True)
class Part:
    """What is dumped under `key`: the attribute of that name, in this way."""

    key: str
    attribute: str
    writing: Writing


def function_of(take: Take | Same) -> Take:
    """The same as a function."""
    if not isinstance(take, Same):
        return take
    names = _Names()
    lines = [
        "def take(value):",
        f"    if {take.condition('value', names)}:",
        "        return value",
        f"    {'raise NotSure' if take.otherwise is None else f'return {names(take.otherwise)}(value)'}",
    ]
    return _compiled(lines, names)


def check_of(condition: Condition) -> Take:
    """A function that raises NotSure where the condition does not hold."""
    return function_of(Same(condition))


def object_of(members: list[Member], *, strict: bool) -> Take:
    """A function that takes an object: a dict of what its members are loaded as, in their order.

    With `strict` it is not sure of an object that has anything else in it.
    """
    names = _Names()
    count = next((i for i, m in enumerate(members) if not m.required or m.own), len(members))
    first, others = members[:count], members[count:]
    lines = ["def take(data):", "    if type(data) is not dict:", "        raise NotSure"]
    for place, member in enumerate(first):
        lines += _indented(_taking(member, f"v{place}", f"data[{member.name!r}]", names))
    lines.append(f"    loaded = {{{', '.join(f'{member.key!r}: v{place}' for place, member in enumerate(first))}}}")
    if others and not any(m.required or m.own or m.default is not missing for m in others):
        lines += [f"    if len(data) == {count}:", "        return loaded"]
    lines += ["    get = data.get", f"    found = {sum(m.required and not m.own for m in members)}"]
    for member in others:
        lines += _indented(_adding(member, names))
    if strict:
        lines += ["    if found != len(data):", "        raise NotSure"]
    return _compiled([*lines, "    return loaded"], names)


def is_attribute(name: str) -> bool:
    """Whether the name may stand after a dot in Python."""
    return name.isidentifier() and not keyword.iskeyword(name)


def parts_of(parts: list[Part]) -> Take:
    """A function that dumps an object: a dict of its parts, in their order. Raises where it lacks an attribute."""
    names = _Names()
    # Of something with items, marshmallow would ask for those first.
    lines = ["def take(whole):", "    if hasattr(whole, '__getitem__'):", "        raise NotSure"]
    items = []
    for place, part in enumerate(parts):
        value = f"v{place}"
        same = "".join(f" or type({value}) is {names(kind)}" for kind in part.writing.same)
        lines.append(f"    {value} = whole.{part.attribute}")
        items.append(f"{part.key!r}: {value} if {value} is None{same} else {names(part.writing.put)}({value})")
    return _compiled([*lines, f"    return {{{', '.join(items)}}}"], names)


def _adding(member: Member, names: "_Names") -> Iterator[str]:
    keep = f"loaded[{member.key!r}] = value"
    if member.required and not member.own:
        yield from _taking(member, "value", f"data[{member.name!r}]", names)
        yield keep
        return
    yield f"value = get({member.name!r}, missing)"
    yield "if value is not missing:"
    yield "    found += 1"
    if not member.own:
        yield from _indented([*_taking(member, "value", "value", names), keep])
        if member.default is missing:
            return
        yield "else:"
        yield f"    value = {names(member.default)}{'()' if callable(member.default) else ''}"
        yield "    if value is not missing:"
        yield f"        {keep}"
    else:
        yield f"value = {names(member.own)}(value, data)"
        yield "if value is not missing:"
        yield f"    {keep}"


def _taking(member: Member, name: str, source: str, names: "_Names") -> Iterator[str]:
    if not isinstance(member.take, Same):
        yield f"{name} = {names(member.take)}({source})"
        return
    if name != source:
        yield f"{name} = {source}"
    yield f"if not ({member.take.condition(name, names)}):"
    otherwise = member.take.otherwise
    yield "    raise NotSure" if otherwise is None else f"    {name} = {names(otherwise)}({name})"


def _indented(lines: Any) -> list[str]:
    return [f"    {line}" for line in lines]


def _compiled(lines: list[str], names: "_Names") -> Take:
    space: dict[str, Any] = {"missing": missing, "NotSure": NotSure, **names.bound}
    exec(compile("\n".join(lines), "<derived from a schema>", "exec"), space)
    take: Take = space["take"]
    return take


class _Names:
    """The things that a source speaks of, by the names that it has for them."""

    def __init__(self) -> None:
        self.bound: dict[str, Any] = {}

    def __call__(self, thing: Any) -> str:
        name = f"_{len(self.bound)}"
        self.bound[name] = thing
        return name
