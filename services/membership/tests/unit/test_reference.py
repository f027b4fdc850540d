import json
from importlib import resources

import pytest

from membership.data.obligations import obligations_of, shipped
from membership.data.reference import activity_codes, member_classes

RULES = obligations_of(shipped()[0]).rules.values()


@pytest.mark.parametrize("name", ["classes", "activities"])
def test_every_row_of_reference_data_says_where_it_is_from_and_how_sure_it_is(name: str) -> None:
    data = json.loads(resources.files("membership.data").joinpath(f"{name}.json").read_text("utf-8"))

    for row in data[name]:
        assert row["source"]
        assert row["confidence"] in ("published", "recall", "uncertain")


def test_there_are_six_classes_of_which_two_must_be_certified() -> None:
    classes = member_classes().values()

    assert {one.code for one in classes} == {"PT", "IU", "CS", "AS", "DS", "GS"} == {r.code for r in RULES}
    assert {r.code for r in RULES if r.must_be_certified} == {"PT", "IU"}
    assert {one.code for one in classes if one.group == "full"} == {"PT", "IU", "CS"}


def test_a_class_has_a_period_for_certification_exactly_if_it_must_be_certified() -> None:
    assert all((r.certification_due_years is not None) == r.must_be_certified for r in RULES)


def test_activity_codes_are_ten_different_ones() -> None:
    assert len(set(activity_codes())) == 10
