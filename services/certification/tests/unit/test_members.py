"""The copy of members: from records, and from stories while a membership of 0.1 may run, which tells no records."""

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification.storage.members import Members
from touchstone_contracts.events.membership import MembershipActivated, MembershipReinstated, MembershipSuspended
from touchstone_testing.examples import examples

JOINED, SUSPENDED, BACK = (datetime.date(2025, 6, 1), datetime.date(2026, 11, 1), datetime.date(2026, 11, 15))
SMELTER = {"member_id": "smelter", "legal_name": "Smelter AS", "member_class": "PT", "country": "NO"}
STORIES: list[Any] = [
    MembershipActivated(**SMELTER, joined_on=JOINED),  # type: ignore[arg-type]
    MembershipSuspended(member_id="smelter", reasons=["Fee overdue."], effective_on=SUSPENDED),
    MembershipReinstated(member_id="smelter", effective_on=BACK),
]
"""Of the versions 2, 3 and 4: the first was its registration."""


def records(build: Any) -> list[Any]:
    """Of the same versions."""
    return [build.recorded(), build.suspended(SUSPENDED), build.reinstated(BACK)]


def member(office: Any) -> Any:
    _, unit = office.begin()
    return Members(unit).get("smelter")


def known(office: Any) -> tuple[str, bool, datetime.date] | None:
    found = member(office)
    return found and (found.profile.legal_name, found.status.good, found.status.effective_on)


WORDS = [(kind, version) for kind in ("story", "record") for version in (2, 3, 4)]


@given(words=st.permutations(WORDS), repeated=st.lists(st.sampled_from(WORDS), max_size=4), handled=st.integers(1, 6))
@settings(max_examples=examples(100), deadline=None)
def test_the_newest_word_counts_in_whatever_order_stories_and_records_come_and_however_often(
    new_office: Any, build: Any, words: list, repeated: list, handled: int
) -> None:
    office, told = new_office(), {"story": STORIES, "record": records(build)}
    come = words[:handled]

    for kind, version in [*come, *(word for word in repeated if word in come)]:
        office.deliver(told[kind][version - 2], sequence=version)

    newest = max(version for _, version in come)
    named = newest == 2 or ("story", 2) in come or any(kind == "record" for kind, _ in come)
    good, since = [(True, JOINED), (False, SUSPENDED), (True, BACK)][newest - 2]
    assert known(office) == (("Smelter AS", good, since) if named else None)


@pytest.mark.parametrize("first", ["story", "record"])
def test_of_a_story_and_the_record_of_the_same_change_the_record_counts(office: Any, build: Any, first: str) -> None:
    told = [STORIES[0], build.recorded(legal_name="Smelter ASA")]

    for word in told if first == "story" else reversed(told):
        office.deliver(word, sequence=2)

    assert known(office) == ("Smelter ASA", True, JOINED)


def test_a_record_says_who_it_is_where_the_story_of_the_same_change_does_not(office: Any, build: Any) -> None:
    office.deliver(STORIES[1], sequence=3)
    before = known(office)

    office.deliver(build.suspended(SUSPENDED), sequence=3)

    assert (before, known(office)) == (None, ("Smelter AS", False, SUSPENDED))


def test_a_story_of_a_membership_that_was_taken_back_to_0_1_counts_over_an_older_record(
    office: Any, build: Any
) -> None:
    office.deliver(build.recorded(legal_name="Smelter ASA"), sequence=2)

    office.deliver(STORIES[1], sequence=3)

    assert known(office) == ("Smelter ASA", False, SUSPENDED)


def test_an_organisation_that_was_only_entered_is_no_member(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.recorded(state="registered", joined_on=None, effective_on=JOINED))
    office.deliver(build.accepted())
    office.run_due()

    assert (known(office), office.case()["state"]) == (None, "awaiting_member")


@pytest.mark.parametrize("kind", ["story", "record"])
def test_either_kind_wakes_the_cases_that_wait_for_the_member(office: Any, build: Any, kind: str) -> None:
    office.sign_mandate()
    office.deliver(build.accepted())
    office.run_due()
    before = office.case()["state"]

    office.deliver(STORIES[0] if kind == "story" else build.recorded(), sequence=2)
    office.run_due()

    assert (before, office.case()["state"]) == ("awaiting_member", "decided")


def test_a_record_that_comes_after_a_story_was_handled_wakes_once_more(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.accepted())
    office.deliver(STORIES[2], sequence=4)
    office.run_due()
    before = office.case()["state"]

    office.deliver(build.reinstated(BACK), sequence=4)
    office.run_due()

    assert (before, office.case()["state"]) == ("awaiting_member", "decided")
