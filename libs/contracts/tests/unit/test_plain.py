"""What is plain JSON, and what needs a closer look."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchstone_contracts.plain import is_plain

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


class Pairs(dict):
    pass


def nested(levels: int) -> Any:
    value: Any = []
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return value


@given(inside=PLAIN)
def test_what_has_plain_types_alone_is_plain(inside: Any) -> None:
    assert is_plain({"a": inside, "b": [inside]}, depth_max=200)


@pytest.mark.parametrize("levels", [1, 2, 5, 32])
def test_the_depth_is_the_number_of_levels(levels: int) -> None:
    assert is_plain(nested(levels), depth_max=levels)
    assert not is_plain(nested(levels), depth_max=levels - 1)


@pytest.mark.parametrize("odd", [1.5, 2**63, -(2**63) - 1, b"x", (), Pairs(), {1, 2}, object()], ids=repr)
def test_anything_else_needs_a_closer_look_wherever_it_stands(odd: Any) -> None:
    for value in ({"a": odd}, {"a": "b", "c": [1, {"d": odd}]}, [None, odd]):
        assert not is_plain(value, depth_max=32)


@pytest.mark.parametrize("value", [None, "a", 1, True, 1.5, ()])
def test_what_is_no_object_and_no_list_is_not_plain(value: Any) -> None:
    assert not is_plain(value, depth_max=32)
