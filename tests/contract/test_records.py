"""Copies are built from records alone, no record carries personal values, and each can be told from what is stored."""

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import touchstone_contracts.events.differences
from touchstone_chassis.api import OperatorApi, PresentState, Stored, on_event
from touchstone_chassis.handlers.events import OnEvent
from touchstone_contracts.envelope import Envelope, unwrap
from touchstone_contracts.events.membership import MembershipReinstated, MembershipSuspended, OrganisationRecorded
from touchstone_contracts.registry import REGISTRY, detail, event
from touchstone_contracts.services import SERVICES
from touchstone_testing.memory_service import MemoryService, handlers_of

pytestmark = pytest.mark.usefixtures("fixed_time")

EXAMPLES = Path(touchstone_contracts.__file__).parent / "examples"
NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
SETTINGS = {
    "certification": {"rule_set": 1, "first_certificate_number": 10_001},
    "notification": {"check_after_s": 5, "batch": 2, "retry_delays_s": [10], "message_id_domain": "x.example"},
}
OF_PERSONS = {"name", "address", "email", "phone", "team", "submitted_by", "accepted_by", "signed_by", "by", "caller"}
OF_THINGS = {
    "assessment.standard_published.v1": {"name"},
    "membership.entity_recorded.v1": {"name"},
    "membership.facility_recorded.v1": {"name"},
}
"""Attributes that sound like a person's and are a thing's."""
FED_BY_STORIES = {
    ("certification", "membership.membership_activated.v1"): "until 0.1 is gone, whose membership tells no records",
    ("certification", "membership.membership_suspended.v1"): "until 0.1 is gone, whose membership tells no records",
    ("certification", "membership.membership_reinstated.v1"): "until 0.1 is gone, whose membership tells no records",
    ("certification", "assessment.corrective_action_plan_reviewed.v1"): "until assessment records an audit's plans",
}
"""Copies that are built from stories all the same, by consumer and type; each with how long."""


def service_classes() -> dict[str, Any]:
    return {name: next(iter(entry_points(group="touchstone.services", name=name))).load() for name in SERVICES}


def fed_by_stories(service: Any, settings: Mapping[str, Any]) -> Iterator[str]:
    """Types of stories from which handlers of a service build a copy, as they say or as their examples show."""
    for handler in handlers_of(service):
        if not isinstance(handler.entrypoint, OnEvent):
            continue
        for event_class in handler.entrypoint.event_classes:
            office = MemoryService(service, clock=SimpleNamespace(now=lambda: NOON, today=NOON.date), settings=settings)
            envelope, given = example_of(event_class)
            instance, unit = office.begin()
            handler.method(instance, given, envelope)
            if (handler.entrypoint.copies or unit.changes.read_models) and not event_class.record:
                yield event_class.type_name


def example_of(event_class: Any) -> tuple[Envelope, Any]:
    return unwrap(json.loads((EXAMPLES / f"{event_class.type_name}.json").read_text()))


def of_persons(registered: Iterable[Any]) -> list[str]:
    """Attributes of records, other than the one that may, that say who a person is or did something."""
    records = [made for made in registered if made.record and not made.personal]
    found = [(made.type_name, name) for made in records for name in made.schema.fields if name in OF_PERSONS]
    return [f"{type_name} carries {name}" for type_name, name in found if name not in OF_THINGS.get(type_name, ())]


def not_told(records: Iterable[Any], declared: Mapping[Any, PresentState]) -> list[str]:
    """Records that a service cannot tell from what it stores, and what it tells so that is no record."""
    wanted = list(records)
    lacking = [f"{record.type_name} is not told from what is stored" for record in wanted if record not in declared]
    return lacking + [f"{made.type_name} is no record" for made in declared if made not in wanted]


@pytest.mark.parametrize("service", SERVICES)
def test_copies_are_built_from_records_but_for_those_that_say_until_when(service: str) -> None:
    found = set(fed_by_stories(service_classes()[service], SETTINGS.get(service, {})))

    assert found == {type_name for consumer, type_name in FED_BY_STORIES if consumer == service}


@pytest.mark.parametrize("service", SERVICES)
def test_every_record_can_be_told_from_what_its_owner_stores(service: str) -> None:
    records = [made for made in REGISTRY.values() if made.producer == service and made.record]  # type: ignore[attr-defined]

    assert not_told(records, service_classes()[service].reconciliation.present) == []


def test_no_record_says_who_did_something_and_one_alone_carries_personal_values() -> None:
    registered: list[Any] = list(REGISTRY.values())

    assert of_persons(registered) == []
    assert [made.__name__ for made in registered if made.personal] == ["ContactChanged"]


class Copies:
    def __init__(self, unit: Any):
        self._unit = unit

    def keep(self, id: str) -> None:
        self._unit.upsert_read_model("copies", {"_id": id, "sequence": 1})


class Hasty(OperatorApi):
    name = "hasty"
    copies = Stored(Copies)

    @on_event(MembershipSuspended, handler="keep_story")
    def keep_story(self, event: MembershipSuspended, envelope: Envelope) -> None:
        self.copies.keep(event.member_id)

    @on_event(OrganisationRecorded, handler="keep_record")
    def keep_record(self, event: OrganisationRecorded, envelope: Envelope) -> None:
        self.copies.keep(event.member_id)

    @on_event(MembershipReinstated, handler="say_so", copies=True)
    def say_so(self, event: MembershipReinstated, envelope: Envelope) -> None: ...


def test_a_copy_that_a_story_feeds_is_seen_whether_its_handler_says_so_or_not() -> None:
    assert sorted(fed_by_stories(Hasty, {})) == [
        "membership.membership_reinstated.v1",
        "membership.membership_suspended.v1",
    ]


def test_a_record_with_the_name_of_a_person_is_seen() -> None:
    @event("testing.lot_recorded", version=1, subject="lot_id", summary="A lot as it is.", record=True)
    class LotRecorded:
        lot_id: str = detail("The lot.", example="l")
        signed_by: str = detail("Who.", example="Rosa")

    made: Any = REGISTRY.pop("testing.lot_recorded.v1")

    assert of_persons([made]) == ["testing.lot_recorded.v1 carries signed_by"]


def test_a_record_that_nobody_can_tell_and_a_story_told_as_one_are_seen() -> None:
    declared: Any = {MembershipSuspended: None}

    assert not_told([OrganisationRecorded], declared) == [
        "membership.organisation_recorded.v1 is not told from what is stored",
        "membership.membership_suspended.v1 is no record",
    ]
