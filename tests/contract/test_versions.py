"""An event that is published in two versions says the same in both: whichever comes first is the one that counts."""

import datetime
import enum
import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from touchstone_contracts import document  # noqa: F401 - registers the events
from touchstone_contracts.registry import REGISTRY, detail, event

TOLD_IN_TWO = [e for e in REGISTRY.values() if hasattr(e, "downcast")]
"""None at the moment: the toys below show that the test would see what it is for."""


def any_of(hint: Any) -> st.SearchStrategy[Any]:
    """Anything that an attribute of this type may hold on the wire."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(st.none() if a is type(None) else any_of(a) for a in arguments))
    if origin is list:
        return st.lists(any_of(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(any_of(arguments[0]), any_of(arguments[1]), max_size=3)
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{f.name: any_of(hints[f.name]) for f in fields(hint)})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    if hint is datetime.datetime:
        return st.datetimes(timezones=st.just(datetime.UTC))
    return st.integers(-(2**53), 2**53) if hint is int else st.from_type(hint)


def what_is_lost(newer: Any) -> Any:
    """The simplest event that is not the same after it was told in the older version; None when there is none."""
    try:
        return find(any_of(newer), lambda event: newer.upcast(event.downcast()) != event)
    except NoSuchExample:
        return None


def misfits(newer: Any) -> list[Any]:
    """Copies that are no events of the older version, or speak of another aggregate."""
    found = []

    @settings(max_examples=50, database=None)
    @given(any_of(newer))
    def look(event: Any) -> None:
        older = event.downcast()
        same = type(older) is newer.replaces and older.schema.load(older.schema.dump(older)) == older
        if not same or getattr(older, older.subject_field) != getattr(event, event.subject_field):
            found.append(older)

    look()
    return found


def test_an_event_told_in_its_older_version_loses_nothing() -> None:
    assert [e.type_name for e in TOLD_IN_TWO if what_is_lost(e) is not None] == []


def test_an_event_told_in_its_older_version_is_one_of_that_version() -> None:
    assert [e.type_name for e in TOLD_IN_TWO if misfits(e)] == []


@pytest.fixture
def weighed() -> Any:
    """A first version in kilograms, with an attribute that was added later."""
    before = dict(REGISTRY)

    @event("testing.lot_weighed", version=1, subject="lot_id", summary="A lot was weighed.")
    class LotWeighed:
        lot_id: str = detail("The lot.", example="l-1")
        mass_kg: int = detail("Its mass, rounded down.", example=5)
        rest_g: int = detail("What rounding left out.", example=250, default=0)

    yield LotWeighed
    REGISTRY.clear()
    REGISTRY.update(before)


def a_second_version(weighed: Any, *, keeps_the_rest: bool) -> Any:
    @event("testing.lot_weighed", version=2, subject="lot_id", summary="A lot was weighed.", replaces=weighed)
    class LotWeighedV2:
        lot_id: str = detail("The lot.", example="l-1")
        mass_g: int = detail("Its mass.", example=5250)

        @classmethod
        def upcast(cls, old: Any) -> Any:
            return cls(lot_id=old.lot_id, mass_g=old.mass_kg * 1000 + old.rest_g)

        def downcast(self) -> Any:
            kg, rest_g = divmod(self.mass_g, 1000)
            return weighed(lot_id=self.lot_id, mass_kg=kg, rest_g=rest_g if keeps_the_rest else 0)

    return LotWeighedV2


def test_an_older_version_that_leaves_something_out_is_seen(weighed: Any) -> None:
    newer = a_second_version(weighed, keeps_the_rest=False)

    lost = what_is_lost(newer)

    assert lost is not None and lost.mass_g % 1000 != 0


def test_an_older_version_that_says_all_is_let_be(weighed: Any) -> None:
    assert what_is_lost(a_second_version(weighed, keeps_the_rest=True)) is None


def test_an_older_version_with_another_subject_is_seen(weighed: Any) -> None:
    newer = a_second_version(weighed, keeps_the_rest=True)

    fine = misfits(newer)
    newer.downcast = lambda self: weighed(lot_id=self.lot_id + "x", mass_kg=1)

    assert fine == []
    assert misfits(newer) != []
