"""What marshmallow says about an input, as the field errors that a caller gets."""

import enum
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from touchstone_chassis.validation import DEPTH_MAX, _is_storable, _unstorable, load
from touchstone_contracts.errors import FieldError, InvalidRequest
from touchstone_contracts.field_errors import ERRORS_MAX, field_errors
from touchstone_testing.examples import examples


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(Schema):
    rating = fields.String(required=True, validate=validate.OneOf(["good", "bad"]))
    colour = fields.Enum(Colour, by_value=True)


class Tree(Schema):
    id = fields.String(required=True, validate=validate.Length(min=2))
    name = fields.String(validate=validate.Length(max=3))
    nick = fields.String(validate=validate.Length(min=2, max=3))
    size = fields.Integer(strict=True, validate=validate.Range(min=1, max=9))
    day = fields.Date()
    alive = fields.Boolean()
    tags = fields.List(fields.String())
    leaves = fields.List(fields.Nested(Leaf))
    root = fields.Nested(Leaf)
    bag = fields.Dict(keys=fields.String(), values=fields.Integer())
    free = fields.Raw()

    @validates_schema
    def agree(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("name") == "no":
            raise ValidationError([{"code": "name_taken", "message": "That name is taken."}], "name")
        if data.get("name") == "all":
            raise ValidationError("Nothing fits.")


def faults(data: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as caught:
        load(Tree(), data)
    return [(error.path, error.code) for error in caught.value.errors]


def test_every_fault_has_its_path_and_code() -> None:
    data = {
        "name": "long",
        "nick": "x",
        "size": 10,
        "day": "2026-02-30",
        "alive": None,
        "tags": ["a", 5],
        "leaves": [{"rating": "good"}, {"rating": "ok", "colour": "green"}, 7],
        "root": {},
        "bag": 5,
        "more": 1,
    }

    assert faults(data) == [
        ("alive", "null"),
        ("bag", "wrong_type"),
        ("day", "invalid"),
        ("id", "required"),
        ("leaves[1].colour", "unknown_choice"),
        ("leaves[1].rating", "unknown_choice"),
        ("leaves[2]", "wrong_type"),
        ("more", "unknown_field"),
        ("name", "too_long"),
        ("nick", "wrong_length"),
        ("root.rating", "required"),
        ("size", "out_of_range"),
        ("tags[1]", "wrong_type"),
    ]


def test_a_schema_gives_its_own_codes() -> None:
    assert faults({"id": "ab", "name": "no"}) == [("name", "name_taken")]
    assert faults({"id": "ab", "name": "all"}) == [("", "invalid")]


def test_indexes_are_ordered_as_numbers() -> None:
    messages = {"x": {10: ["Unknown field."], 9: {"_schema": ["Invalid input type."]}}, "a": ["Unknown field."]}

    assert [error.path for error in field_errors(messages)] == ["a", "x[9]", "x[10]"]


def test_a_coded_message_may_stand_alone_or_among_others() -> None:
    coded = {"code": "odd", "message": "That is odd."}

    assert field_errors({"a": coded}) == [FieldError("a", "odd", "That is odd.")]
    assert field_errors({"a": [coded, "Unknown field."]}) == [
        FieldError("a", "odd", "That is odd."),
        FieldError("a", "unknown_field", "Unknown field."),
    ]


def test_fields_named_code_and_message_are_fields() -> None:
    messages = {"code": ["Unknown field."], "message": ["Unknown field."]}

    assert [error.path for error in field_errors(messages)] == ["code", "message"]


@pytest.mark.parametrize("data", [None, 5, "x", [], [{}]])
def test_what_is_no_object_is_refused_as_a_whole(data: Any) -> None:
    assert faults(data) == [("", "wrong_type")]


def test_what_no_database_can_hold_is_refused_wherever_it_stands() -> None:
    data = json.loads('{"id": "\\ud800", "free": {"a": [NaN, 18446744073709551616, "ok"], "\\udc00": 1}, "size": 2}')

    assert faults({**data, "free": data["free"]["a"]}) == [
        ("free[0]", "invalid"),
        ("free[1]", "out_of_range"),
        ("id", "invalid"),
    ]
    assert faults({"id": "ab", "free": data["free"]}) == [("free", "invalid")]


def test_nesting_has_a_limit() -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = [deep]

    ((path, code),) = faults({"id": "ab", "free": deep})

    assert code == "too_deep"
    assert path == "free" + "[0]" * (DEPTH_MAX - 1)


def test_a_flood_of_faults_is_cut() -> None:
    data = {f"{'k' * 100}{number}": 1 for number in range(2 * ERRORS_MAX)}

    with pytest.raises(
        InvalidRequest, match=f"{2 * ERRORS_MAX + 1} things are wrong .*; {ERRORS_MAX} of them are told"
    ) as caught:
        load(Tree(), data)

    found = [error.path for error in caught.value.errors]
    assert len(found) == ERRORS_MAX and "id" in found
    assert max(map(len, found)) <= 64


def test_good_data_is_loaded() -> None:
    loaded = load(Tree(), {"id": "ab", "leaves": [{"rating": "good", "colour": "red"}]})

    assert loaded == {"id": "ab", "leaves": [{"rating": "good", "colour": Colour.RED}]}


ODD: list[Any] = [
    "\ud800",
    "a\udfff",
    float("nan"),
    float("inf"),
    1.5,
    2**63,
    -(2**63) - 1,
    2**64,
    b"x",
    (1,),
    {"\udc00": 1},
    {1: 2},
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text() | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["id", "\ud800"]), inner),
)


@given(free=VALUES, known=st.sampled_from([{}, {"id": "ab"}, {"id": "\ud800"}, {"id": "ab", "size": 3, "tags": ["a"]}]))
@settings(max_examples=examples(300))
def test_whoever_looks_quickly_sees_nothing_else(free: Any, known: dict[str, Any]) -> None:
    for data in (free, {**known, "free": free}, {**known, "leaves": free}):
        assert not (_is_storable(data) and _unstorable(data))
        assert _outcome(lambda data=data: load(Tree(), data)) == _outcome(lambda data=data: _loaded_slowly(data))


@pytest.mark.parametrize("levels", [DEPTH_MAX - 2, DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1])
def test_nesting_is_refused_from_the_same_level_on(levels: int) -> None:
    deep: Any = "bottom"
    for _ in range(levels):
        deep = [deep]
    data = {"id": "ab", "free": deep}

    assert _is_storable(data) == (not _unstorable(data)) == (levels < DEPTH_MAX)


def test_good_data_is_looked_at_once() -> None:
    assert _is_storable({"id": "ab", "free": [{"é": ["😀", 2**63 - 1, None, True]}]})


def _loaded_slowly(data: Any) -> Any:
    errors = field_errors(_unstorable(data))
    if not errors:
        try:
            return Tree().load(data)
        except ValidationError as error:
            errors = field_errors(error.normalized_messages())
    raise InvalidRequest("", errors[:ERRORS_MAX])


def _outcome(loading: Any) -> Any:
    try:
        return repr(loading())
    except InvalidRequest as refusal:
        return refusal.errors
    except Exception as error:
        return type(error)
