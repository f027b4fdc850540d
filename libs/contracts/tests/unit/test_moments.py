"""Moments: every time that UTC has is taken, and no other."""

import datetime

import pytest
from marshmallow import ValidationError

from touchstone_contracts.moments import Moment


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-00:00", "2026-01-01T00:00:00+14:00"]
)
def test_a_time_of_utcs_years_is_taken(text: str) -> None:
    assert Moment().deserialize(text) == datetime.datetime.fromisoformat(text)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00", ""])
def test_a_time_that_utc_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Moment().deserialize(text)
