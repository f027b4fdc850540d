"""Each version of an organisation, a site or a contact goes with its record, whatever made it; and what they say."""

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from membership.data import obligations
from membership.reconciliation import DECLARATIONS
from membership.service import MembershipService
from touchstone_chassis.rpc.method import Method
from touchstone_contracts.callers import Caller
from touchstone_contracts.events.membership import ContactChanged, ObligationsPublished, OrganisationRecorded
from touchstone_testing.memory_service import MemoryService, handlers_of

SECRETARY = Caller(subject="secretariat-1", role="secretariat")
ACTIVE = {"contact_id": "con-1", "name": "A. Person", "address": "person@example.org", "roles": ["certification"]}
PARTY = {"party": {"kind": "member", "id": "qatalum"}, "language": "en", "channels": ["email"]}
SITE = {"name": "Mesaieed", "country": "QA", "activities": ["SML", "CST"]}
COMMANDS = [
    ("register_organisation", {"member_id": "qatalum", "legal_name": "Qatalum", "member_class": "PT", "country": "QA"}),
    ("activate", {"member_id": "qatalum", "joined_on": "2020-03-01"}),
    ("suspend", {"member_id": "qatalum", "reasons": ["Fee overdue."]}),
    ("reinstate", {"member_id": "qatalum"}),
    ("register_entity", {"entity_id": "mesaieed", "member_id": "qatalum"} | SITE),
    ("register_facility", {"facility_id": "mesaieed-1", "entity_id": "mesaieed"} | SITE),
    ("set_contact", ACTIVE | PARTY),
    ("set_contact", ACTIVE | PARTY | {"active": False}),
]
WITHOUT_RECORDS = {"publish_obligations"}
"""Commands that change no aggregate."""


class Office(MemoryService):
    """The service's own handlers; the clock goes on by a day after each call."""

    def __init__(self) -> None:
        self.time = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
        super().__init__(MembershipService, clock=SimpleNamespace(now=lambda: self.time))

    def call(self, method: str, request: dict[str, Any]) -> None:
        service, unit = self.begin()
        schema = next(iter(getattr(MembershipService, method).nameko_entrypoints)).schema
        getattr(MembershipService, method).__wrapped__(service, schema.load(request), SECRETARY)
        self.commit(unit)
        self.time += datetime.timedelta(days=1)


@pytest.fixture
def office() -> Office:
    return Office()


def test_each_version_goes_with_one_record_and_the_newest_is_what_is_stored(office: Office) -> None:
    for method, request in COMMANDS:
        office.call(method, request)

    (_, unit), recorded = office.begin(), office.records()
    for record, present in DECLARATIONS.present.items():
        if record is ObligationsPublished:
            continue
        (id,) = present.ids(unit, "", 100)
        of_it = [(number, event) for number, event in recorded if type(event) is record]
        assert present.of(unit, id) == (of_it[-1][1], len(of_it))
        assert [number for number, _ in of_it] == list(range(1, len(of_it) + 1))


def test_obligations_that_came_with_the_release_can_be_told_as_if_they_had_been_published(office: Office) -> None:
    _, unit = office.begin()
    (shipped,) = obligations.shipped()

    (id,) = DECLARATIONS.present[ObligationsPublished].ids(unit, "", 100)
    event, sequence = DECLARATIONS.present[ObligationsPublished].of(unit, id)

    assert (event.publication_id, event.content, sequence) == (id, shipped.content, 1)


def test_every_command_that_changes_a_recorded_aggregate_is_among_those() -> None:
    commands = {
        handler.name
        for handler in handlers_of(MembershipService)
        if isinstance(handler.entrypoint, Method)
        and handler.entrypoint.changes
        and handler.method.__module__.startswith("membership.")
    }

    assert commands == {method for method, _ in COMMANDS} | WITHOUT_RECORDS


def test_the_record_of_an_organisation_says_in_which_state_it_is_since_when_and_why(office: Office) -> None:
    for method, request in COMMANDS:
        office.call(method, request)

    recorded = [event for _, event in office.records() if isinstance(event, OrganisationRecorded)]
    assert [(event.state, event.effective_on.isoformat(), event.reasons) for event in recorded] == [
        ("registered", "2026-03-01", []),
        ("active", "2020-03-01", []),
        ("suspended", "2026-03-03", ["Fee overdue."]),
        ("active", "2026-03-04", []),
    ]
    assert [event.joined_on and event.joined_on.year for event in recorded] == [None, 2020, 2020, 2020]
    assert recorded[-1].first_certification_due_on == datetime.date(2022, 3, 1)


def test_what_stays_as_it_was_is_neither_saved_nor_recorded_again(office: Office) -> None:
    for method, request in COMMANDS[:7]:
        office.call(method, request)

    office.call("set_contact", ACTIVE | PARTY)

    assert [number for number, event in office.records() if isinstance(event, ContactChanged)] == [1]
