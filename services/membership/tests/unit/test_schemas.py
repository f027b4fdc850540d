from typing import Any

import pytest

from membership.schemas.contacts import SetContact
from membership.schemas.organisations import Activate, ListOrganisations, RegisterOrganisation, Suspend
from membership.schemas.sites import RegisterEntity
from touchstone_chassis.validation import load
from touchstone_contracts.errors import InvalidRequest

CONTACT: dict[str, Any] = {
    "party": {"kind": "member", "id": "qatalum"},
    "name": "A. Person",
    "address": "person@example.org",
    "roles": ["certification"],
    "language": "en",
    "channels": ["email"],
}
ENTITY: dict[str, Any] = {
    "member_id": "qatalum",
    "name": "Qatalum, Mesaieed",
    "country": "QA",
    "activities": ["SML", "CST"],
}


def refused(schema: Any, data: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refusal:
        load(schema, data)
    return [(e.path, e.code) for e in refusal.value.errors]


def test_everything_that_is_wrong_with_an_organisation_is_said_at_once() -> None:
    request = {"member_id": "Q", "legal_name": " ", "member_class": "XX", "country": "ZZ", "colour": "red"}

    assert refused(RegisterOrganisation(), request) == [
        ("colour", "unknown_field"),
        ("country", "invalid_country"),
        ("legal_name", "blank"),
        ("member_class", "unknown_member_class"),
        ("member_id", "invalid_id"),
    ]


@pytest.mark.parametrize("country", ["qa", "QAT", "", "XX", "EU", "Qa", "UK", "XK", "SU", "AA"])
def test_a_country_is_two_capitals_that_iso_knows(country: str) -> None:
    assert refused(RegisterEntity(), ENTITY | {"country": country}) == [("country", "invalid_country")]


def test_an_activity_that_nobody_knows_is_named_by_its_place() -> None:
    faults = refused(RegisterEntity(), ENTITY | {"activities": ["SML", "ABC"]})

    assert faults == [("activities[1]", "unknown_activity")]


def test_an_activity_stands_once() -> None:
    assert refused(RegisterEntity(), ENTITY | {"activities": ["SML", "SML"]}) == [("activities", "duplicate")]


@pytest.mark.parametrize("activities", [[], None, "SML", [None], [1]])
def test_activities_are_a_list_of_at_least_one(activities: Any) -> None:
    assert refused(RegisterEntity(), ENTITY | {"activities": activities})


@pytest.mark.parametrize(
    "address",
    [
        "person",
        "person@",
        "@example.org",
        "person@localhost",
        "person@[127.0.0.1]",
        "person@example.org\r\nBcc: all@example.org",
        "a@example.org, b@example.org",
        "Person <person@example.org>",
        "pers\u0000on@example.org",
        "x" * 65 + "@example.org",
    ],
)
def test_an_address_to_which_no_mail_can_go_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        load(SetContact(), CONTACT | {"address": address})

    (fault,) = refusal.value.errors
    assert (fault.path, fault.code) == ("address", "invalid_address")
    assert address not in str(refusal.value.as_dict())


def test_an_address_is_kept_in_the_form_that_every_mail_server_takes() -> None:
    loaded = load(SetContact(), CONTACT | {"address": "Person@Exämple.org"})

    assert loaded["address"] == "Person@xn--exmple-cua.org"


@pytest.mark.parametrize("language", ["en", "fr", "de", "pt-BR", "gsw", "zh-CN"])
def test_a_language_is_a_tag_that_iso_knows(language: str) -> None:
    assert load(SetContact(), CONTACT | {"language": language})["language"] == language


@pytest.mark.parametrize(
    "language", ["", "english", "EN", "xx", "en-", "en-us", "en-XX", "en-UK", "sq-XK", "en US", "e"]
)
def test_other_languages_are_refused(language: str) -> None:
    assert refused(SetContact(), CONTACT | {"language": language}) == [("language", "unknown_language")]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"party": {"kind": "planet", "id": "mars"}}, ("party.kind", "unknown_choice")),
        ({"party": {"kind": "secretariat", "id": "other"}}, ("party.id", "unknown_party")),
        ({"party": {"kind": "member"}}, ("party.id", "required")),
        ({"channels": ["pigeon"]}, ("channels[0]", "unknown_choice")),
        ({"channels": []}, ("channels", "too_short")),
        ({"roles": ["certification", "certification"]}, ("roles", "duplicate")),
        ({"active": "yes"}, ("active", "wrong_type")),
        ({"active": 1}, ("active", "wrong_type")),
        ({"name": "A.\nPerson"}, ("name", "invalid_text")),
        ({"name": "\u200b\u3164"}, ("name", "blank")),
        ({"name": "x" * 301}, ("name", "too_long")),
        ({"name": "A. \u202enosreP"}, ("name", "invalid_text")),
    ],
)
def test_a_contact_with_one_thing_wrong_is_refused_for_that(changed: dict[str, Any], fault: tuple[str, str]) -> None:
    assert refused(SetContact(), CONTACT | changed) == [fault]


@pytest.mark.parametrize("reasons", [[], [""], ["   "], ["\u200b"], ["Fee\u2028paid."], None, "because"])
def test_a_suspension_needs_reasons(reasons: Any) -> None:
    assert refused(Suspend(), {"member_id": "qatalum", "reasons": reasons})


@pytest.mark.parametrize("joined_on", ["2020-02-30", "yesterday", "2020-W10-1", "20200301", "01.03.2020"])
def test_the_day_of_joining_is_an_iso_date(joined_on: Any) -> None:
    assert refused(Activate(), {"member_id": "qatalum", "joined_on": joined_on}) == [("joined_on", "invalid_date")]


def test_a_reason_may_have_several_lines() -> None:
    loaded = load(Suspend(), {"member_id": "qatalum", "reasons": ["The fee is overdue.\r\nTwice reminded. "]})

    assert loaded["reasons"] == ["The fee is overdue.\nTwice reminded."]


def test_names_are_stripped_and_composed() -> None:
    loaded = load(RegisterEntity(), ENTITY | {"name": "  Qatalum Me\u0301saieed "})

    assert loaded["name"] == "Qatalum M\u00e9saieed"


@pytest.mark.parametrize("limit", [0, 201, "10", 1.5, True])
def test_a_page_has_1_to_200_items(limit: Any) -> None:
    assert refused(ListOrganisations(), {"limit": limit})
