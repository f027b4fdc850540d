"""An event in two or three versions: what comes in is brought up, what goes out is published in the older ones too.

It says the same in both: whichever comes first is the one that counts.
"""

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

from touchstone_contracts import document
from touchstone_contracts.registry import REGISTRY, detail, event
from touchstone_contracts.topology import ServiceTopology
from touchstone_contracts.versions import older_copies, upcast, versions
from touchstone_testing.examples import examples

TOLD_IN_TWO = [e for e in REGISTRY.values() if hasattr(e, "downcast")]
"""None at the moment: the toys below show that the tests would see what they are for."""


def three_versions() -> tuple[Any, Any, Any]:
    """Version 2 renames an attribute, version 3 splits it; only version 3 is emitted, and version 1 is no longer."""

    @event("testing.lot_weighed", version=1, subject="lot_id", summary="A lot was weighed.")
    class LotWeighed:
        lot_id: str = detail("The lot.", example="l-1")
        mass: int = detail("In kilograms.", example=5)

    @event("testing.lot_weighed", version=2, subject="lot_id", summary="A lot was weighed.", replaces=LotWeighed)
    class LotWeighedV2:
        lot_id: str = detail("The lot.", example="l-1")
        mass_kg: int = detail("Its mass, with the pallet.", example=5)
        tare_kg: int = detail("The pallet.", example=1, default=0)

        @classmethod
        def upcast(cls, old: Any) -> Any:
            return cls(lot_id=old.lot_id, mass_kg=old.mass)

    @event("testing.lot_weighed", version=3, subject="lot_id", summary="A lot was weighed.", replaces=LotWeighedV2)
    class LotWeighedV3:
        lot_id: str = detail("The lot.", example="l-1")
        net_kg: int = detail("Without the pallet.", example=4)
        tare_kg: int = detail("The pallet.", example=1)

        @classmethod
        def upcast(cls, old: Any) -> Any:
            return cls(lot_id=old.lot_id, net_kg=old.mass_kg - old.tare_kg, tare_kg=old.tare_kg)

        def downcast(self) -> Any:
            return LotWeighedV2(lot_id=self.lot_id, mass_kg=self.net_kg + self.tare_kg, tare_kg=self.tare_kg)

    return LotWeighed, LotWeighedV2, LotWeighedV3


def test_a_versions_ancestors_are_all_that_it_can_be_made_from() -> None:
    first, second, third = three_versions()

    assert versions(third) == (third, second, first)
    assert versions(first) == (first,)


def test_an_event_is_brought_up_through_every_version_between() -> None:
    first, _, third = three_versions()

    assert upcast(first(lot_id="l-1", mass=5), third) == third(lot_id="l-1", net_kg=5, tare_kg=0)


def test_an_event_of_the_wanted_version_stays_as_it_is() -> None:
    _, second, _ = three_versions()
    lot = second(lot_id="l-1", mass_kg=5)

    assert upcast(lot, second) is lot


def test_an_event_is_published_in_the_older_versions_that_it_can_be_told_in() -> None:
    first, second, third = three_versions()

    assert older_copies(third(lot_id="l-1", net_kg=4, tare_kg=1)) == [second(lot_id="l-1", mass_kg=5, tare_kg=1)]
    assert older_copies(second(lot_id="l-1", mass_kg=5)) == []
    assert older_copies(first(lot_id="l-1", mass=5)) == []


def test_a_service_receives_what_it_consumes_in_every_version() -> None:
    first, second, third = three_versions()

    assert ServiceTopology(service="scales", consumes=[third]).receives == (third, second, first)


def test_the_page_of_events_says_what_a_version_replaces_and_whether_that_is_still_published() -> None:
    first, second, third = three_versions()

    assert "Replaces version 2, which is published too, with the same id." in document._event_section(third)
    assert "Replaces version 1." in document._event_section(second)
    assert "Replaces" not in document._event_section(first)


def test_a_version_must_say_how_it_is_made_from_the_one_before() -> None:
    first, *_ = three_versions()

    with pytest.raises(TypeError, match="does not say how it is made"):

        @event("testing.lot_weighed", version=4, subject="lot_id", summary="Again.", replaces=first)
        class LotWeighedV4:
            lot_id: str = detail("The lot.", example="l-1")


@pytest.mark.parametrize(("name", "version"), [("testing.lot_lost", 2), ("testing.lot_weighed", 1)])
def test_a_version_replaces_an_earlier_one_of_itself(name: str, version: int) -> None:
    first, *_ = three_versions()

    with pytest.raises(TypeError, match="replaces an earlier version of itself"):

        @event(name, version=version, subject="lot_id", summary="Again.", replaces=first)
        class Other:
            lot_id: str = detail("The lot.", example="l-1")

            @classmethod
            def upcast(cls, old: Any) -> Any:
                return cls(lot_id=old.lot_id)


def test_what_replaces_nothing_has_nothing_to_be_told_in() -> None:
    with pytest.raises(TypeError, match="has a downcast and replaces nothing"):

        @event("testing.lot_found", version=1, subject="lot_id", summary="It was found.")
        class LotFound:
            lot_id: str = detail("The lot.", example="l-1")

            def downcast(self) -> Any:
                return self


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


SOUGHT = settings(max_examples=examples(2_000))


def what_is_lost(newer: Any) -> Any:
    """The simplest event that is not the same after it was told in the older version; None when there is none."""
    try:
        return find(any_of(newer), lambda event: newer.upcast(event.downcast()) != event, settings=SOUGHT)
    except NoSuchExample:
        return None


def misfits(newer: Any) -> list[Any]:
    """Copies that are no events of the older version, or speak of another aggregate."""
    found = []

    @settings(max_examples=examples(50), database=None)
    @given(any_of(newer))
    def look(event: Any) -> None:
        older = event.downcast()
        same = type(older) is newer.replaces and older.schema.load(older.schema.dump(older)) == older
        if not same or getattr(older, older.subject_field) != getattr(event, event.subject_field):
            found.append(older)

    look()
    return found


def test_an_event_told_in_its_older_version_loses_nothing_and_is_one_of_that_version() -> None:
    assert [e.type_name for e in TOLD_IN_TWO if what_is_lost(e) is not None or misfits(e)] == []


def test_an_older_version_that_leaves_something_out_is_seen_and_one_that_says_all_is_let_be() -> None:
    _, second, third = three_versions()
    before = what_is_lost(third)

    third.downcast = lambda self: second(lot_id=self.lot_id, mass_kg=self.net_kg + self.tare_kg)

    assert before is None
    assert what_is_lost(third).tare_kg != 0


def test_an_older_version_with_another_subject_is_seen() -> None:
    _, second, third = three_versions()
    before = misfits(third)

    third.downcast = lambda self: second(lot_id=self.lot_id + "x", mass_kg=1)

    assert before == []
    assert misfits(third) != []
