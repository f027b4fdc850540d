"""Gives the services' unit tests a time that stands still: ids of events, which hold one, are made in the chassis."""

import pytest

from touchstone_testing.clock_guard import is_unit


@pytest.fixture(autouse=True)
def _time_stands_still(request: pytest.FixtureRequest) -> None:
    if is_unit(request.path, request.config.rootpath):
        request.getfixturevalue("fixed_time")
