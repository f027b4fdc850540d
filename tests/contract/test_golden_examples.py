"""One example for each event type and version, with every attribute; what releases recorded is in test_releases.py."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import touchstone_contracts
import touchstone_contracts.events.differences
from touchstone_contracts.envelope import unwrap
from touchstone_contracts.registry import REGISTRY, detail, event

EXAMPLES = Path(touchstone_contracts.__file__).parent / "examples"


def coverage_problems(registered: set[str], folder: Path) -> list[str]:
    """Types without an example, and files that are no example of a registered type."""
    found = {path.name.removesuffix(".json") for path in folder.iterdir()}
    missing = [f"{name}: no example" for name in sorted(registered - found)]
    return missing + [f"{name}: an example of nothing that is registered" for name in sorted(found - registered)]


def the_example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def test_every_registered_type_and_version_has_an_example_and_nothing_else_has() -> None:
    assert coverage_problems(set(REGISTRY), EXAMPLES) == []


def test_a_type_without_example_and_an_example_without_type_are_both_seen(tmp_path: Path) -> None:
    (tmp_path / "testing.thing_lost.v1.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("")

    problems = coverage_problems({"testing.thing_found.v1"}, tmp_path)

    assert problems == [
        "testing.thing_found.v1: no example",
        "notes.txt: an example of nothing that is registered",
        "testing.thing_lost.v1: an example of nothing that is registered",
    ]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_example_is_read_and_written_back_as_it_was(name: str, written_again: Callable[[Any], Any]) -> None:
    example = the_example(name)

    written = written_again(example)

    assert example["type"] == name
    assert written == example


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_example_shows_every_attribute_of_its_type(name: str) -> None:
    assert set(the_example(name)["data"]) == set(REGISTRY[name].schema.fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_examples_subject_is_the_aggregate_that_its_data_names(name: str) -> None:
    example = the_example(name)

    assert example["subject"] == str(example["data"][REGISTRY[name].subject_field])  # type: ignore[attr-defined]
    assert example["source"] == f"/touchstone/{name.split('.')[0]}"


def _two_generations() -> tuple[Any, Any]:
    before = dict(REGISTRY)

    @event("testing.lot_weighed", version=1, subject="lot_id", summary="A lot was weighed.")
    class Old:
        lot_id: str = detail("The lot.", example="l")
        unit: str = detail("Of mass.", example="t", default="t")

    REGISTRY.clear()
    REGISTRY.update(before)

    @event("testing.lot_weighed", version=1, subject="lot_id", summary="A lot was weighed.")
    class New:
        lot_id: str = detail("The lot.", example="l")
        unit: str = detail("Of mass.", example="t", default="t")
        scale: str | None = detail("Which scale.", example="s-1", default=None)
        tare_kg: int = detail("To subtract.", example=0, default=0)

    REGISTRY.clear()
    REGISTRY.update(before)
    return Old, New


def test_an_additive_change_is_read_by_the_release_before_and_the_other_way_round() -> None:
    old, new = _two_generations()

    from_new = old.schema.load(new.schema.dump(new(lot_id="l-1", unit="kg", scale="s-1", tare_kg=3)))
    from_old = new.schema.load(old.schema.dump(old(lot_id="l-1", unit="kg")))

    assert from_new == old(lot_id="l-1", unit="kg")
    assert from_old == new(lot_id="l-1", unit="kg", scale=None, tare_kg=0)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_newer_producers_additions_are_ignored(name: str) -> None:
    example = the_example(name)
    newer = example | {"newattribute": "x", "data": example["data"] | {"not_yet_known": {"deep": [1]}}}

    assert unwrap(newer)[1] == unwrap(example)[1]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_what_an_older_producer_left_out_is_filled_with_its_default(name: str) -> None:
    example = the_example(name)
    optional = {n for n, f in REGISTRY[name].schema.fields.items() if not f.required}  # type: ignore[attr-defined]
    older = example | {"data": {k: v for k, v in example["data"].items() if k not in optional}}

    _, read = unwrap(older)

    assert set(read.schema.dump(read)) == set(example["data"])
