"""What a body or an auditor was accredited for on the days of an audit."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from assessment.domain.accreditation import Auditor, Body, Grant, Need, lacks
from touchstone_contracts.events.assessment import BodyAccredited

Granting = Callable[..., Grant]


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def need(**changes: Any) -> Need:
    plain: dict[str, Any] = {
        "standard": "PS",
        "countries": frozenset({"QA"}),
        "activities": frozenset({"SML"}),
        "first": day("2026-01-10"),
        "last": day("2026-01-12"),
    }
    return Need(**plain | changes)


def test_nothing_is_lacking_where_everything_is_covered(grant: Granting) -> None:
    assert lacks([grant()], need()) == []


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        ({"standard": "XY"}, ["standard XY"]),
        ({"countries": frozenset({"QA", "IS"})}, ["country IS"]),
        ({"activities": frozenset({"SML", "BXM", "ALR"})}, ["activity ALR", "activity BXM"]),
        ({"body_id": "dnv"}, ["body dnv"]),
    ],
)
def test_what_a_grant_does_not_cover_is_named(grant: Granting, changes: dict[str, Any], lacking: list[str]) -> None:
    assert lacks([grant()], need(**changes)) == lacking


def test_a_star_stands_for_all_countries(grant: Granting) -> None:
    assert lacks([grant(countries=("*",))], need(countries=frozenset({"IS", "BR"}))) == []


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "lacking"),
    [
        ("2026-01-10", "2026-01-12", []),
        ("2026-01-11", "2030-01-01", ["any accreditation on 2026-01-10"]),
        ("2020-01-01", "2026-01-11", ["any accreditation on 2026-01-12"]),
        ("2020-01-01", "2021-01-01", ["any accreditation on 2026-01-10"]),
        ("2027-01-01", "2028-01-01", ["any accreditation on 2026-01-10"]),
        ("0001-01-01", "9999-12-31", []),
    ],
)
def test_every_day_of_the_audit_must_be_covered(
    grant: Granting, valid_from: str, valid_until: str, lacking: list[str]
) -> None:
    grants = [grant(valid_from=day(valid_from), valid_until=day(valid_until))]

    assert lacks(grants, need()) == lacking


def test_grants_that_follow_one_another_cover_an_audit_together(grant: Granting) -> None:
    grants = [
        grant(valid_from=day("2026-01-11"), valid_until=day("2028-01-01")),
        grant(valid_from=day("2020-01-01"), valid_until=day("2026-01-10")),
    ]

    assert lacks(grants, need()) == []


def test_a_gap_between_two_grants_is_found(grant: Granting) -> None:
    grants = [
        grant(valid_from=day("2020-01-01"), valid_until=day("2026-01-10")),
        grant(valid_from=day("2026-01-12"), valid_until=day("2028-01-01")),
    ]

    assert lacks(grants, need()) == ["any accreditation on 2026-01-11"]


def test_a_later_grant_replaces_an_earlier_one_from_its_first_day_on(grant: Granting) -> None:
    narrower = grant(valid_from=day("2026-01-12"), activities=("CST",))

    assert lacks([grant(), narrower], need()) == ["activity SML"]
    assert lacks([grant(), narrower], need(last=day("2026-01-11"))) == []


def test_nobody_is_accredited_without_a_grant() -> None:
    assert lacks([], need()) == ["any accreditation on 2026-01-10"]


def test_a_body_that_is_accredited_is_announced(grant: Granting) -> None:
    body = Body(id="dnv", name="DNV")

    events = body.accredit("DNV UK", grant())

    assert events == [
        BodyAccredited(
            body_id="dnv",
            name="DNV UK",
            standards=["PS", "COC"],
            countries=["QA", "DE"],
            activities=["SML", "CST", "OMS", "MCV"],
            valid_from=day("2018-01-01"),
            valid_until=day("2030-12-31"),
        )
    ]


def test_the_same_accreditation_again_changes_nothing(grant: Granting) -> None:
    body = Body(id="dnv", name="DNV")
    body.accredit("DNV", grant())

    assert body.accredit("DNV", grant()) == []


def test_a_grant_from_the_same_day_on_is_a_correction(grant: Granting) -> None:
    auditor = Auditor(id="auditor-1", name="A.", grants=(grant(),))

    auditor.register("A. B.", grant(countries=("IS",)))

    assert auditor.name == "A. B."
    assert auditor.grants == (grant(countries=("IS",)),)
