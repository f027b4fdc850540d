"""A cursor leads back to the document that it stands for, and what is none is refused."""

import datetime

import pytest

from touchstone_chassis.pagination import behind, cursor_of, read_cursor
from touchstone_contracts.errors import InvalidRequest

AT = datetime.datetime(2026, 3, 1, 12, 30, 0, 250000, datetime.UTC)


@pytest.mark.parametrize("id", ["e-1", "assessment.thing/with/slashes", ""])
def test_a_cursor_leads_back_to_its_document(id: str) -> None:
    assert read_cursor(cursor_of({"_id": id, "parked_at": AT}, "parked_at")) == (AT, id)


def test_a_cursor_is_read_in_utc_whatever_zone_it_was_written_in() -> None:
    moment, id = read_cursor("2026-03-01T14:30:00.250000+02:00/e-1")

    assert (moment, moment.utcoffset(), id) == (AT, datetime.timedelta(), "e-1")


@pytest.mark.parametrize("text", ["", "/", "e-1", "yesterday/e-1", "0001-01-01T00:00:00+14:00/e-1"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no cursor"):
        read_cursor(text)


def test_behind_a_document_are_later_moments_and_of_its_own_the_greater_ids() -> None:
    assert behind("at", AT, "e-1") == [{"at": {"$gt": AT}}, {"_id": {"$gt": "e-1"}}]
