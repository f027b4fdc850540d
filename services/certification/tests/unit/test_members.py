"""By which word of membership's an audit is decided: the one that acceptance pinned, in whatever order they come."""

import datetime
from typing import Any

import pytest

from certification.domain.members import Member, MembershipStatus, Profile, member_for
from touchstone_contracts.values import PinnedMember

JOINED = datetime.date(2020, 3, 1)
SUSPENDED_ON = datetime.date(2026, 5, 1)


def pinned(state: str, sequence: int, since: datetime.date = JOINED, member_class: str = "PT") -> PinnedMember:
    return PinnedMember(
        legal_name="As pinned", member_class=member_class, state=state, effective_on=since, sequence=sequence
    )


def known(good: bool, sequence: int, since: datetime.date = JOINED) -> Member:
    return Member(
        profile=Profile(member_id="m", legal_name="As known", member_class="CS"),
        status=MembershipStatus(member_id="m", good=good, effective_on=since),
        sequence=sequence,
    )


@pytest.mark.parametrize("here", [None, known(True, 1), known(False, 3, SUSPENDED_ON)], ids=["none", "older", "newer"])
def test_a_member_that_was_in_good_standing_stays_so_for_the_decision(here: Member | None) -> None:
    member = member_for("m", pinned("active", 2), here)

    assert member is not None and member.status.good_on(SUSPENDED_ON)
    assert (member.profile.legal_name, member.profile.member_class) == ("As pinned", "PT")


@pytest.mark.parametrize(
    ("here", "good"), [(None, False), (known(True, 1), False), (known(True, 4), True), (known(False, 4), False)]
)
def test_good_standing_that_was_missing_may_come_later(here: Member | None, good: bool) -> None:
    member = member_for("m", pinned("suspended", 3, SUSPENDED_ON), here)

    assert member is not None and member.status.good_on(datetime.date(2026, 6, 1)) is good


def test_who_was_only_entered_then_is_waited_for() -> None:
    assert member_for("m", pinned("registered", 1), None) is None
    assert member_for("m", pinned("registered", 1), known(True, 2)) == known(True, 2)


def test_without_a_pin_it_is_the_member_as_it_is_known() -> None:
    assert member_for("m", None, known(True, 2)) == known(True, 2)
    assert member_for("m", None, None) is None


@pytest.mark.parametrize("suspended_first", [True, False])
def test_a_decision_does_not_hang_on_whether_membership_was_heard_before_or_after(
    office: Any, build: Any, suspended_first: bool
) -> None:
    office.sign_mandate()
    suspension = build.recorded(state="suspended", reasons=["Fee overdue."], effective_on=datetime.date(2026, 1, 1))
    if suspended_first:
        office.deliver(suspension, sequence=3)
    office.deliver(build.accepted(member=pinned("active", 2)))
    if not suspended_first:
        office.deliver(suspension, sequence=3)
    office.run_due()

    assert (office.case()["state"], office.case()["member_name"]) == ("decided", "As pinned")
    assert [event.member_name for event in office.events("CertificateIssued")] == ["As pinned"]
