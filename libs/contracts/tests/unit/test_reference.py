"""Reference data has one text and one hash, whoever wrote it in which order, and each day has one version."""

import datetime
import json
from typing import Any

import pytest
import rfc8785

from touchstone_contracts.reference import Edition, canonical, differences, effective_on, hash_of, published

NEW_YEAR = datetime.date(2027, 1, 1)
DAY = datetime.timedelta(days=1)
WRITTEN: Any = {
    "id": "table",
    "version": 2,
    "effective_from": "2027-01-01",
    "values": [{"value": 3, "source": "Überprüft „hier“\n", "confidence": "sourced"}, {"a": None, "b": True}],
}


def edition(version: int, effective_from: datetime.date) -> Edition:
    return Edition(id="table", version=version, effective_from=effective_from, hash=f"sha256:{version}")


def test_the_order_and_spacing_in_which_a_document_comes_make_no_difference() -> None:
    other = json.loads(json.dumps(dict(reversed(list(WRITTEN.items()))), indent=4))

    assert canonical(other) == canonical(WRITTEN)
    assert hash_of(canonical(WRITTEN)) == "sha256:f54e1968c0b4cacc4533a0e5214fa3f669d0931bf93c75a16e8baee83234a494"


def test_the_canonical_text_is_that_of_rfc_8785() -> None:
    assert canonical(WRITTEN).encode() == rfc8785.dumps(WRITTEN)


@pytest.mark.parametrize(
    "changed", [{"version": 3}, {"version": True}, {"version": "2"}, {"values": []}, {"note": None}]
)
def test_another_content_has_another_hash(changed: Any) -> None:
    assert hash_of(canonical(WRITTEN | changed)) != hash_of(canonical(WRITTEN))


@pytest.mark.parametrize("value", [1.0, 0.1, float("nan"), 2**63, b"", (1,)])
def test_what_has_more_than_one_spelling_has_no_canonical_text(value: Any) -> None:
    with pytest.raises(ValueError, match="one canonical text"):
        canonical({"value": value})


def test_a_publication_gives_back_the_document_that_was_handed_in() -> None:
    publication = published(WRITTEN, by="secretariat-1", at=None)

    assert (publication.key, publication.document) == ("table/2", WRITTEN)
    assert publication.hash == hash_of(publication.content)


@pytest.mark.parametrize(
    ("day", "version"),
    [
        (datetime.date.min, None),
        (datetime.date(2010, 1, 1) - DAY, None),
        (datetime.date(2010, 1, 1), 1),
        (NEW_YEAR - DAY, 1),
        (NEW_YEAR, 2),
        (NEW_YEAR + DAY, 2),
        (datetime.date.max, 2),
    ],
)
def test_a_version_applies_from_its_first_day_on_until_the_next_one_s(day: datetime.date, version: int | None) -> None:
    editions = [edition(2, NEW_YEAR), edition(1, datetime.date(2010, 1, 1))]

    found = effective_on(editions, day)

    assert (found and found.version) == version


def test_a_later_version_that_begins_sooner_takes_the_place_of_the_one_before() -> None:
    editions = [edition(1, datetime.date(2010, 1, 1)), edition(2, NEW_YEAR), edition(3, NEW_YEAR - DAY)]

    chosen = [effective_on(editions, day) for day in (NEW_YEAR - 2 * DAY, NEW_YEAR - DAY, NEW_YEAR)]

    assert [one and one.version for one in chosen] == [1, 3, 3]


def test_every_place_where_two_documents_differ_is_named() -> None:
    given = WRITTEN | {"version": 3, "values": [WRITTEN["values"][0] | {"value": True}], "note": "new"}

    assert list(differences(WRITTEN, given)) == [
        ("note", None, "new"),
        ("values[0].value", 3, True),
        ("values[1]", {"a": None, "b": True}, None),
        ("version", 2, 3),
    ]
