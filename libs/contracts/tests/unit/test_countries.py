"""The list of countries is ISO's, and what only looks like a code of it is none."""

import pycountry
import pytest

from touchstone_contracts.countries import COUNTRIES


def test_the_list_is_that_of_iso_3166_1() -> None:
    assert {country.alpha_2 for country in pycountry.countries} == COUNTRIES


@pytest.mark.parametrize("code", ["UK", "EU", "XK", "SU", "AA", "ZZ", "AN", "YU", "qa", "QAT", ""])
def test_what_is_reserved_withdrawn_or_nobodys_is_no_country(code: str) -> None:
    assert code not in COUNTRIES
