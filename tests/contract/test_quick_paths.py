"""The quick ways of loading and dumping give what marshmallow gives, or nothing: on every schema there is.

TOUCHSTONE_FUZZ=100 makes that many changed inputs of each valid one.
"""

import copy
import dataclasses
import datetime
import functools
import importlib
import json
import os
import pkgutil
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from corpus.samples import ABSURD
from corpus.shapes import anything, drawn, mutated, valid
from marshmallow import Schema, ValidationError, fields, missing, post_dump, pre_load, validates

import touchstone_contracts
from touchstone_contracts import registry
from touchstone_contracts.codec import dumping, loading
from touchstone_contracts.codec.loading import UNSURE
from touchstone_contracts.envelope import _EnvelopeSchema, unwrap
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.services import SERVICES
from touchstone_contracts.values import PlanState
from touchstone_testing.examples import examples

ROOT = Path(__file__).parents[2]
PACKAGES = ("touchstone_contracts", "touchstone_chassis", *SERVICES)
EXAMPLES = sorted((Path(touchstone_contracts.__file__).parent / "examples").glob("*.json"))
VALID, RANDOM = 12, examples(10)
CHANGED = int(os.environ.get("TOUCHSTONE_FUZZ", examples(4)))
NOT_GENERATED = {
    "assessment.data.catalogue",
    "certification.data.rule_sets",
    "notification.data.notice_rules",
    "touchstone_chassis.config",
}
"""Files, and documents that are published once: their fields take what no generator here makes."""


class Letters(str):
    __slots__ = ()


class Pairs(dict):
    __slots__ = ()


NASTY: list[Any] = [
    *ABSURD,
    *("\ud800", "a\udfffb", 2**63, -(2**63) - 1, 2**64, 10**400, float("nan"), float("inf"), -float("inf"), 1e19),
    *(
        1.0,
        0.0,
        b"bytes",
        b"\xff",
        Letters("PS"),
        Pairs(),
        (),
        ("PS",),
        missing,
        {1: 2},
        {None: 1},
        {Letters("id"): "x"},
    ),
    *("2026-03-05T09:00:00", "2026-03-05T09:00:00Z", "20260305T090000+0000", "2026-W10-4", "0001-01-01T00:00:00+00:00"),
    *("sNaN", "1e5", "٣", " 1", "1_0", "\x85", "\xa0", "a\nb", "a\tb", "\u2028", "x" * 64, "x" * 65, "a" * 201),
    *("\u3164", " a ", "a\r\nb", "e\u0301\u0323", "\u0915\u094d\u200d\u0937", "soci\xe9t\xe9", "UK"),
    *(["a"] * 300, [{}] * 60, [None, 1, "a", []]),
    *(
        functools.reduce(lambda inner, _: {"a": [inner]}, range(60), "b"),
        functools.reduce(lambda i, _: [i], range(150), 1),
    ),
]


@functools.cache
def schemas() -> dict[str, Schema]:
    """An instance of every schema in the packages, by module and name, and those of the events."""
    for package in PACKAGES:
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    made = {f"{k.__module__}.{k.__name__}": k() for k in _below(Schema) if k.__module__.split(".")[0] in PACKAGES}
    return made | {name: cls.schema for name, cls in REGISTRY.items() if not name.startswith("testing.")}


def _below(kind: type) -> Iterator[Any]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _below(inner)


def as_it_comes(call: Callable[[], Any]) -> Any:
    """What marshmallow does when left alone: the schemas of events take no quick way meanwhile, not even nested."""
    kind = registry._TolerantSchema
    quick = kind.load, kind.dump
    kind.load, kind.dump = Schema.load, Schema.dump  # type: ignore[method-assign]
    try:
        return outcome(call)
    finally:
        kind.load, kind.dump = quick  # type: ignore[method-assign]


def outcome(call: Callable[[], Any]) -> Any:
    """What came of it, to the last type and the order of keys; of an error what it says."""
    try:
        return exactly(call())
    except ValidationError as error:
        return "refused", repr(error.normalized_messages())
    except Exception as error:
        return "raised", type(error), str(error)


def exactly(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return kind, value
    if isinstance(value, dict):
        return kind, [(exactly(k), exactly(v)) for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return kind, [exactly(v) for v in value]
    if names := attributes_of(kind):
        return kind, [exactly(getattr(value, name)) for name in names]
    return kind, repr(value)


@functools.cache
def attributes_of(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()


@functools.cache
def good(name: str) -> list[Any]:
    if name.rpartition(".")[0] in NOT_GENERATED:
        return []
    if name.endswith(".SettingsSchema"):
        text = (ROOT / "services" / name.split(".")[0] / "config.yaml").read_text()
        return [yaml.safe_load(re.sub(r"\$\{\w+:([^}]*)\}", r"\1", text))["settings"]]
    if name == "notification.schemas.settings.SmtpSchema":
        return [good("notification.schemas.settings.SettingsSchema")[0]["smtp"]]
    if name == "touchstone_contracts.envelope._EnvelopeSchema":
        return [json.loads(path.read_text()) for path in EXAMPLES]
    return drawn(valid(schemas()[name]), VALID, 1)


def inputs(name: str) -> Iterator[Any]:
    """Valid ones, each changed in some places, and random ones."""
    chance = random.Random(name)
    some = good(name)[: max(2, examples(VALID))]
    yield from some
    for value in some:
        for _ in range(CHANGED):
            yield mutated(value, chance, copy.deepcopy(chance.choice(NASTY)))
            yield mutated(mutated(value, chance, chance.choice(NASTY)), chance, chance.choice(NASTY))
    if good(name):
        yield from (dict(reversed(good(name)[0].items())), Pairs(good(name)[0]), {**good(name)[0], "more": 1})
    yield from random_values()
    yield from NASTY


@functools.cache
def random_values() -> list[Any]:
    return drawn(anything(), RANDOM, 2)


@pytest.mark.parametrize("name", sorted(schemas()))
def test_what_is_loaded_quickly_is_what_marshmallow_loads(name: str) -> None:
    schema = schemas()[name]

    for data in inputs(name):
        before = exactly(data)
        quick = loading.load_if_sure(schema, data)
        by_itself = as_it_comes(lambda data=data: schema.load(data))

        assert exactly(data) == before
        assert quick is UNSURE or exactly(quick) == by_itself, data
        assert outcome(lambda data=data: loading.load(schema, data)) == by_itself, data


@pytest.mark.parametrize("name", sorted(name for name in schemas() if name.rpartition(".")[0] not in NOT_GENERATED))
def test_good_input_is_loaded_quickly(name: str) -> None:
    taken = [loading.load_if_sure(schemas()[name], data) is not UNSURE for data in good(name)]

    assert any(taken), "a quick way that takes nothing would be none"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_golden_example_is_loaded_and_dumped_quickly(path: Path) -> None:
    message = json.loads(path.read_text())
    schema = REGISTRY[path.stem].schema  # type: ignore[attr-defined]

    event = loading.load_if_sure(schema, message["data"])
    dumped = dumping.dump_if_sure(schema, event)

    assert loading.load_if_sure(_EnvelopeSchema(), message) is not UNSURE
    assert exactly(unwrap(message)) == as_it_comes(lambda: unwrap(message))
    assert exactly(dumped) == as_it_comes(lambda: schema.dump(event))
    assert exactly(event) == as_it_comes(lambda: schema.load(message["data"]))


@pytest.mark.parametrize("name", sorted(name for name in schemas() if name in REGISTRY))
def test_what_is_dumped_quickly_is_what_marshmallow_dumps(name: str) -> None:
    events = [event for data in good(name) if (event := loading.load_if_sure(schemas()[name], data)) is not UNSURE]
    held = [value for event in events for value in values_in(event)]

    for value in [*held[:5], *events]:
        assert dumping.dump_if_sure(value.schema, value) is not UNSURE
        assert exactly(value.schema.dump(value)) == as_it_comes(lambda value=value: value.schema.dump(value))
    for value in {type(value): value for value in (*held, events[0])}.values():
        for changed in with_changes(value):
            quick = dumping.dump_if_sure(changed.schema, changed)
            dumped = as_it_comes(lambda changed=changed: changed.schema.dump(changed))

            assert quick is UNSURE or exactly(quick) == dumped
            assert outcome(lambda changed=changed: changed.schema.dump(changed)) == dumped


def values_in(event: Any) -> Iterator[Any]:
    """The values with a schema of their own that an event holds."""
    for field in dataclasses.fields(event):
        held = getattr(event, field.name)
        yield from (value for value in (held if isinstance(held, list) else [held]) if dataclasses.is_dataclass(value))


def with_changes(value: Any) -> Iterator[Any]:
    """The value as nobody should make it: with anything at all in each place. marshmallow dumps it, or raises."""
    now = datetime.datetime(2026, 3, 5, 9, 0, 0, 7, datetime.UTC)
    odd = [True, 1, 0.5, "x", Letters("x"), b"x", None, missing, now, now.date(), PlanState.NONE, value, {"a": value}]
    odd += [{"id": "x"}, Pairs(a=1), {1: 2}, [], ["x", None], [True], (1, "x"), {"x"}, [value], (value,), object()]
    for field in dataclasses.fields(value):
        yield from (dataclasses.replace(value, **{field.name: thing}) for thing in odd)


def test_a_change_of_an_event_is_noticed_by_the_comparison() -> None:
    assert exactly({"a": 1, "b": 2}) != exactly({"b": 2, "a": 1})
    assert exactly([True]) != exactly([1])
    assert exactly(Letters("a")) != exactly("a")


class Shouting(fields.String):
    """Overrides what a quick way for texts would leave out."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).upper()

    def _serialize(self, value: Any, attr: Any, obj: Any, **kwargs: Any) -> Any:
        return value.lower()


class Stripped(Schema):
    name = fields.String()

    @pre_load
    def strip(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {key: value.strip() for key, value in data.items()}


class Chosen(Schema):
    name = fields.String()

    @validates("name")
    def check(self, value: str, **_: Any) -> None:
        if value == "x":
            raise ValidationError("No.")


class Loading(Schema):
    name = fields.String()

    def load(self, *args: Any, **kwargs: Any) -> Any:
        return {"name": "always"}


class Enveloped(Schema):
    name = fields.String()
    title = fields.String()

    @post_dump
    def wrap(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"inside": data}


class Loud(Schema):
    name = Shouting()
    title = fields.String()


UNKNOWN: dict[str, Schema] = {
    "a pre_load": Stripped(),
    "a validates": Chosen(),
    "a load of its own": Loading(),
    "many": Loud(many=True),
    "a partial schema": Loud(partial=True),
    "one that includes the unknown": Loud(unknown="include"),
    "a dotted attribute": Schema.from_dict({"name": fields.String(attribute="a.b")})(),
    "two fields of one key": Schema.from_dict(
        {"a": fields.String(data_key="name", load_only=True), "name": fields.String()}
    )(),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_schema_with_something_unknown_is_never_loaded_quickly(name: str) -> None:
    schema = UNKNOWN[name]

    assert loading.load_if_sure(schema, [{"name": "a"}] if schema.many else {"name": "a"}) is UNSURE


def test_an_option_that_is_not_known_yet_is_not_passed_over() -> None:
    schema = Schema.from_dict({"name": fields.String()})()
    schema.fields["name"].upper = True  # type: ignore[attr-defined]
    schema.fields["name"].deserialize = lambda *_: "NAME"  # type: ignore[method-assign]

    assert loading.load(schema, {"name": "a"}) == schema.load({"name": "a"}) == {"name": "NAME"}


@pytest.mark.parametrize(
    "options", [{"pre_load": str.strip}, {"post_load": str.upper}, {"validate": lambda v: 1 / len(v)}]
)
def test_a_field_s_own_hooks_are_called(options: dict[str, Any]) -> None:
    schema = Schema.from_dict({"name": fields.String(**options), "names": fields.List(fields.String(**options))})()

    for data in ({"name": " a "}, {"names": [" a ", "b"]}, {"name": ""}):
        assert outcome(lambda data=data: loading.load(schema, data)) == outcome(lambda data=data: schema.load(data))


def test_what_can_be_read_but_once_is_left_to_marshmallow() -> None:
    schema = Schema.from_dict({"names": fields.List(fields.String()), "last": fields.Integer()})()
    made = dataclasses.make_dataclass("Made", ["names", "last"])(iter(["a", "b"]), "7")

    assert dumping.dump_if_sure(schema, made) is UNSURE
    assert schema.dump(made) == {"names": ["a", "b"], "last": 7}


def test_a_field_type_that_is_not_known_loads_its_place_itself() -> None:
    nested = Schema.from_dict(
        {"loud": fields.Nested(Loud), "low": fields.List(Shouting()), "n": fields.Nested(Stripped)}
    )()
    data = {"loud": {"name": "a", "title": "b"}, "low": ["c"], "n": {"name": " d "}}

    assert loading.load_if_sure(nested, data) == nested.load(data)
    assert nested.load(data) == {"loud": {"name": "A", "title": "b"}, "low": ["C"], "n": {"name": "d"}}


def test_what_marshmallow_dumps_in_another_way_is_not_dumped_quickly() -> None:
    thing = {"name": "A", "title": "B"}
    made = dataclasses.make_dataclass("Made", thing)(**thing)

    assert dumping.dump_if_sure(Enveloped(), made) is UNSURE
    assert dumping.dump_if_sure(Loud(), made) is UNSURE
    assert dumping.dump_if_sure(Schema.from_dict({"name": fields.String()})(), thing) is UNSURE
    assert dumping.dump_if_sure(Schema.from_dict({"name": fields.String()})(), made) == {"name": "A"}
