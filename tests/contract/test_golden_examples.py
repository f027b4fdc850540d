"""One frozen example for each event type and version: today's code reads it and still says all that it says."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import touchstone_contracts
from touchstone_contracts import assessment, certification, differences, membership, notification  # noqa: F401 - registers the events
from touchstone_contracts.envelope import unwrap, wrap
from touchstone_contracts.registry import REGISTRY, detail, event

EXAMPLES = Path(touchstone_contracts.__file__).parent / "examples"


def coverage_problems(registered: set[str], folder: Path) -> list[str]:
    """Types without an example, and files that are no example of a registered type."""
    found = {path.name.removesuffix(".json") for path in folder.iterdir() if path.name != "SHA256SUMS"}
    missing = [f"{name}: no example" for name in sorted(registered - found)]
    return missing + [f"{name}: an example of nothing that is registered" for name in sorted(found - registered)]


def frozen_problems(folder: Path) -> list[str]:
    """Examples that differ from the sums written when they were frozen, or have none."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    now = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.json")}
    changed = [
        f"{name}: changed; a published type never changes, add a version"
        for name in sums
        if name in now and now[name] != sums[name]
    ]
    return changed + [f"{name}: listed or present, not both" for name in sorted(sums.keys() ^ now.keys())]


def parts_lost(old: Any, new: Any, where: str = "data") -> list[str]:
    """What `old` says and `new` does not say in the same way; `new` may say more."""
    if isinstance(old, dict) and isinstance(new, dict):
        missing = [f"{where}.{key} is gone" for key in old.keys() - new.keys()]
        return missing + [
            p for key in old.keys() & new.keys() for p in parts_lost(old[key], new[key], f"{where}.{key}")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [p for i, (a, b) in enumerate(zip(old, new, strict=True)) for p in parts_lost(a, b, f"{where}[{i}]")]
    return [] if old == new and type(old) is type(new) else [f"{where} was {old!r} and is {new!r}"]


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


def test_no_example_was_changed_after_it_was_frozen() -> None:
    assert frozen_problems(EXAMPLES) == []


def test_a_changed_an_added_and_a_removed_example_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "new.json").write_text("{}")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  a.json\n{'0' * 64}  gone.json\n")

    assert [p.split(":")[0] for p in frozen_problems(tmp_path)] == ["a.json", "gone.json", "new.json"]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_example_is_read_and_written_back_without_losing_a_word(name: str) -> None:
    example = the_example(name)

    envelope, read = unwrap(example, expected=REGISTRY[name])
    written = wrap(
        read,
        id=envelope.id,
        time=envelope.time,
        sequence=envelope.sequence,
        correlation_id=envelope.correlationid,
        causation_id=envelope.causationid,
        traceparent=envelope.traceparent,
    )

    assert parts_lost(example, written, "message") == []


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_example_shows_every_attribute_of_its_type(name: str) -> None:
    assert set(the_example(name)["data"]) == set(REGISTRY[name].schema.fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_an_examples_subject_is_the_aggregate_that_its_data_names(name: str) -> None:
    example = the_example(name)

    assert example["subject"] == str(example["data"][REGISTRY[name].subject_field])  # type: ignore[attr-defined]
    assert example["source"] == f"/touchstone/{name.split('.')[0]}"


def test_a_lost_a_renamed_and_a_retyped_attribute_are_each_seen() -> None:
    old = {"a": 1, "b": [{"c": "x"}], "d": "2026-01-01"}

    assert parts_lost(old, old | {"e": 5}) == []
    assert parts_lost(old, {"a": 1, "b": [{"k": "x"}], "d": "2026-01-01"}) == ["data.b[0].c is gone"]
    assert parts_lost(old, old | {"a": "1"}) == ["data.a was 1 and is '1'"]
    assert parts_lost(old, old | {"b": []}) == ["data.b was [{'c': 'x'}] and is []"]


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
