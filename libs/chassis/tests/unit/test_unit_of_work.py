"""The unit of work: what it takes and what it refuses."""

import datetime

import pytest

from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.events.membership import OrganisationRegistered

pytestmark = pytest.mark.usefixtures("fixed_time")


def a_unit() -> UnitOfWork:
    return UnitOfWork(None)  # type: ignore[arg-type]


def a_registration(id: str = "m-1") -> OrganisationRegistered:
    return OrganisationRegistered(member_id=id, legal_name="M", member_class="PT", country="DE")


def test_the_events_of_an_aggregate_carry_the_version_that_is_written():
    unit = a_unit()

    unit.save("members", {"_id": "m-1", "version": 4}, [a_registration()])

    assert [e.sequence for e in unit.changes.emitted] == [5]


def test_an_event_about_something_else_is_refused():
    with pytest.raises(ValueError, match="speaks of m-2"):
        a_unit().save("members", {"_id": "m-1", "version": 0}, [a_registration("m-2")])


def test_an_aggregate_is_saved_once():
    unit = a_unit()
    unit.save("members", {"_id": "m-1", "version": 0})

    with pytest.raises(ValueError, match="saved already"):
        unit.save("members", {"_id": "m-1", "version": 0})


def test_a_reset_forgets_everything():
    unit = a_unit()
    unit.save("members", {"_id": "m-1", "version": 0}, [a_registration()])
    unit.schedule("kind", "key", datetime.datetime.now(datetime.UTC))

    unit.reset()

    assert not unit.changes
