"""Keys that stand twice in one object, whatever object that is and however they are written."""

import pytest

from touchstone_contracts.doubled_keys import doubled_keys
from touchstone_contracts.field_errors import ERRORS_MAX


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"a": 1, "b": {"a": 1}, "c": [{"a": 1}, {"a": 1}]}', []),
        ('{"a": 1, "a": 1}', ["a"]),
        ('{"a": 1, "b": 2, "a": 3, "a": 4, "b": 5}', ["a", "b"]),
        ('{"report": {"findings": [{"r": 1}, {"r": 1, "r": 2}]}}', ["report.findings[1].r"]),
        ('[{"a": {"": 1, "": 1}}]', ["[0].a."]),
        (r'{"a": 1, "\u0061": 1}', ["a"]),
        ('{"é": 1, "\\u00e9": 1}', ["é"]),
        ('{"a": {"b": 1, "b": 1}, "a": 1}', ["a", "a.b"]),
        ('"a"', []),
    ],
)
def test_each_key_that_stands_twice_is_named_by_its_path(text: str, paths: list[str]) -> None:
    assert [(fault.path, fault.code) for fault in doubled_keys(text)] == [(path, "doubled_key") for path in paths]


def test_what_only_looks_the_same_is_another_key() -> None:
    assert doubled_keys('{"\\u00e9": 1, "e\\u0301": 1, "A": 1, "a": 1, "a ": 1}') == []


def test_no_more_is_told_than_of_any_input_and_no_name_in_full() -> None:
    name = '"' + "k" * 1000 + '"'

    faults = doubled_keys("[" + ",".join(f"{{{name}:1,{name}:2}}" for _ in range(ERRORS_MAX + 1)) + "]")

    assert len(faults) == ERRORS_MAX
    assert max(len(fault.path) for fault in faults) < 100


def test_what_is_no_json_has_no_keys() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        doubled_keys("{")
