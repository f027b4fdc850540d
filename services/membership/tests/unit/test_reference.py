import json
from importlib import resources

import pytest

from membership.data.reference import activity_codes, class_rules


@pytest.mark.parametrize("name", ["classes", "activities"])
def test_every_row_of_reference_data_says_where_it_is_from_and_how_sure_it_is(name: str) -> None:
    data = json.loads(resources.files("membership.data").joinpath(f"{name}.json").read_text("utf-8"))

    for row in data[name]:
        assert row["source"]
        assert row["confidence"] in ("published", "recall", "uncertain")


def test_there_are_six_classes_of_which_two_must_be_certified() -> None:
    rules = class_rules().values()

    assert {r.code for r in rules} == {"PT", "IU", "CS", "AS", "DS", "GS"}
    assert {r.code for r in rules if r.must_be_certified} == {"PT", "IU"}
    assert {r.code for r in rules if r.group == "full"} == {"PT", "IU", "CS"}


def test_a_class_has_a_period_for_certification_exactly_if_it_must_be_certified() -> None:
    assert all((r.certification_due_years is not None) == r.must_be_certified for r in class_rules().values())


def test_activity_codes_are_ten_different_ones() -> None:
    assert len(set(activity_codes())) == 10
