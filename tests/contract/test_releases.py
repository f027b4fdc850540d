"""What the release before promised its neighbours still holds: its record is compared with the code, both ways."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields, validate

from touchstone_contracts.registry import REGISTRY
from touchstone_devkit.releases import comparing, recording
from touchstone_devkit.releases.__main__ import RELEASES, SUMS, main, sums
from touchstone_devkit.releases.describing import describe, schema_of

VERSIONS = sorted(
    (p.parent.name for p in RELEASES.glob("*/events.json")), key=lambda version: [int(n) for n in version.split(".")]
)
BEFORE = recording.read(RELEASES / VERSIONS[-1])
# That one may be gone is checked by what is compared whole, not by its example.
RECORDED_EVENTS = [(v, name) for v in VERSIONS for name in recording.read(RELEASES / v)["events"] if name in REGISTRY]
STILL_THERE = sorted(name for name in BEFORE["events"] if name in REGISTRY)


@pytest.fixture(scope="module")
def today() -> dict[str, Any]:
    """What the code promises as it stands."""
    return recording.recorded()


def test_events_of_the_release_before_and_of_today_are_read_by_each_other(today: dict[str, Any]) -> None:
    assert comparing.event_problems(BEFORE["events"], today["events"]) == []


def test_nobody_waits_in_vain_beside_the_release_before(today: dict[str, Any]) -> None:
    assert comparing.delivery_problems(BEFORE, today) == []


def test_what_callers_of_the_release_before_send_is_taken(today: dict[str, Any]) -> None:
    assert comparing.request_problems(BEFORE["services"], today["services"]) == []


def test_what_callers_of_the_release_before_read_is_there(today: dict[str, Any]) -> None:
    assert comparing.answer_problems(BEFORE["services"], today["services"]) == []


@pytest.mark.parametrize(("version", "name"), RECORDED_EVENTS)
def test_an_example_that_was_recorded_is_read_without_losing_a_word(
    version: str, name: str, written_again: Callable[[Any], Any]
) -> None:
    example = recording.read(RELEASES / version)["events"][name]["example"]

    written = written_again(example)

    assert example["type"] == name
    assert lost(example, written) == []


@pytest.mark.parametrize("name", STILL_THERE)
def test_an_example_of_today_is_read_by_the_release_before(name: str, today: dict[str, Any]) -> None:
    data = today["events"][name]["example"]["data"]

    read = schema_of(BEFORE["events"][name]["attributes"]).load(data)

    assert set(read) == set(BEFORE["events"][name]["attributes"])


@pytest.mark.parametrize("name", STILL_THERE)
def test_an_example_gains_attributes_and_keeps_the_others(name: str, today: dict[str, Any]) -> None:
    assert lost(BEFORE["events"][name]["example"], today["events"][name]["example"]) == []


def test_no_record_was_changed() -> None:
    assert (RELEASES / SUMS).read_text() == sums(RELEASES), "a record never changes; a new release has one of its own"


def test_a_changed_record_is_seen(tmp_path: Path) -> None:
    (tmp_path / "0.1.0").mkdir()
    record = tmp_path / "0.1.0" / "events.json"
    record.write_text("{}")
    before = sums(tmp_path)

    record.write_text("{ }")

    assert sums(tmp_path) != before


def test_a_release_is_recorded_once_and_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, today: dict[str, Any]
) -> None:
    # The package has a function of the same name as the attribute that `import ... as` would give.
    monkeypatch.setattr(importlib.import_module("touchstone_devkit.releases.__main__"), "RELEASES", tmp_path)

    codes = [main(["7.0.0"]), main(["7.0.0"]), main([])]

    assert codes == [0, 1, 2]
    assert recording.read(tmp_path / "7.0.0") == json.loads(json.dumps(today))
    assert (tmp_path / SUMS).read_text() == sums(tmp_path)


def lost(old: Any, new: Any, where: str = "message") -> list[str]:
    """What `old` says and `new` does not say in the same way; `new` may say more."""
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [f"{where}.{key} is gone" for key in old.keys() - new.keys()]
        return gone + [p for key in old.keys() & new.keys() for p in lost(old[key], new[key], f"{where}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [p for i, (a, b) in enumerate(zip(old, new, strict=True)) for p in lost(a, b, f"{where}[{i}]")]
    return [] if old == new and type(old) is type(new) else [f"{where} was {old!r} and is {new!r}"]


def test_a_lost_a_renamed_and_a_retyped_attribute_are_each_seen() -> None:
    old = {"a": 1, "b": [{"c": "x"}], "d": "2026-01-01"}

    assert lost(old, old | {"e": 5}, "data") == []
    assert lost(old, {"a": 1, "b": [{"k": "x"}], "d": "2026-01-01"}, "data") == ["data.b[0].c is gone"]
    assert lost(old, old | {"a": "1"}, "data") == ["data.a was 1 and is '1'"]
    assert lost(old, old | {"b": []}, "data") == ["data.b was [{'c': 'x'}] and is []"]


class _Bounds(Schema):
    code = fields.String(required=True, validate=[validate.Length(1, 20), validate.Regexp("[a-z]+")])
    count = fields.Integer(strict=True, load_default=5, validate=validate.Range(1, 9))
    kinds = fields.List(fields.String(validate=validate.OneOf(["a", "b"])), load_default=list)


def test_a_schema_is_described_with_everything_that_a_caller_must_keep_to() -> None:
    assert describe(_Bounds()) == {
        "code": {"kind": "String", "required": True, "length": [1, 20], "pattern": "[a-z]+"},
        "count": {"kind": "Integer", "default": 5, "range": [1, 9], "strict": True},
        "kinds": {"kind": "List", "default": [], "items": {"kind": "String", "choices": ["a", "b"]}},
    }


@pytest.mark.parametrize("name", sorted(BEFORE["events"]))
def test_a_schema_made_from_a_record_asks_for_what_the_recorded_one_asked_for(name: str) -> None:
    attributes = BEFORE["events"][name]["attributes"]
    schema, data = schema_of(attributes), BEFORE["events"][name]["example"]["data"]
    required = {attribute for attribute, field in attributes.items() if field.get("required")}

    with pytest.raises(ValidationError) as refused:
        schema.load({attribute: value for attribute, value in data.items() if attribute not in required})

    assert set(refused.value.normalized_messages()) == required


def test_what_the_code_answers_is_read_from_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toys" / "presenters").mkdir(parents=True)
    (tmp_path / "toys" / "__init__.py").touch()
    (tmp_path / "toys" / "presenters" / "toys.py").write_text(
        "def line(x):\n    return {'id': x.id, 'inner': {'a': 1}} | {'more': 2}\n\ndef number(x):\n    return x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    assert recording.answers("toys") == {"line": ["a", "id", "inner", "more"]}


class _Toy:
    def list_lots(self) -> dict[str, Any]:
        found = {"not": "an answer"}
        return {"items": [{"id": 1}], "next": found} | {"more": 2}


def test_what_a_method_returns_is_read_from_its_text() -> None:
    assert recording.returned(_Toy, "list_lots") == ["id", "items", "more", "next"]
