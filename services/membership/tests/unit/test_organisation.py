import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.data.obligations import obligations_of, shipped
from membership.domain.organisations.organisation import Organisation, State
from touchstone_contracts.errors import IllegalTransition, InvalidRequest
from touchstone_contracts.events.membership import (
    MembershipActivated,
    MembershipReinstated,
    MembershipSuspended,
    OrganisationRegistered,
)

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
OBLIGATIONS = obligations_of(shipped()[0])


def an_organisation(member_class: str = "PT") -> Organisation:
    organisation, _ = Organisation.register(
        "qatalum",
        legal_name="Qatar Aluminium Limited",
        member_class=member_class,
        country="QA",
        at=NOON,
        by="secretariat-1",
    )
    return organisation


def a_member(member_class: str = "PT", joined_on: datetime.date | None = None) -> Organisation:
    organisation = an_organisation(member_class)
    organisation.activate(joined_on=joined_on, obligations=OBLIGATIONS, at=NOON, by="secretariat-1")
    return organisation


def test_a_registered_organisation_is_announced_and_is_no_member_in_good_standing() -> None:
    organisation, events = Organisation.register(
        "qatalum", legal_name="Qatar Aluminium Limited", member_class="PT", country="QA", at=NOON, by="registrar-1"
    )

    assert organisation.state is State.REGISTERED
    assert events == [
        OrganisationRegistered(
            member_id="qatalum", legal_name="Qatar Aluminium Limited", member_class="PT", country="QA"
        )
    ]


@pytest.mark.parametrize("member_class", ["PT", "IU"])
def test_producers_and_industrial_users_must_be_certified_two_years_after_joining(member_class: str) -> None:
    organisation = an_organisation(member_class)

    events = organisation.activate(
        joined_on=datetime.date(2020, 3, 1), obligations=OBLIGATIONS, at=NOON, by="secretariat-1"
    )

    assert organisation.first_certification_due_on == datetime.date(2022, 3, 1)
    assert [type(e) for e in events] == [MembershipActivated]
    assert events[0].first_certification_due_on == datetime.date(2022, 3, 1)


@pytest.mark.parametrize("member_class", ["CS", "AS", "DS", "GS"])
def test_the_other_classes_need_no_certificate(member_class: str) -> None:
    assert a_member(member_class).first_certification_due_on is None


def test_who_joined_on_a_leap_day_is_due_on_the_28th_of_february() -> None:
    assert a_member("PT", datetime.date(2024, 2, 29)).first_certification_due_on == datetime.date(2026, 2, 28)


def test_without_a_day_of_joining_membership_begins_today() -> None:
    assert a_member().joined_on == NOON.date()


def test_membership_cannot_begin_in_the_future() -> None:
    organisation = an_organisation()

    with pytest.raises(InvalidRequest) as refused:
        organisation.activate(joined_on=datetime.date(2026, 3, 2), obligations=OBLIGATIONS, at=NOON, by="secretariat-1")

    assert [e.path for e in refused.value.errors] == ["joined_on"]
    assert organisation.state is State.REGISTERED


def test_a_member_is_suspended_for_reasons_and_reinstated_without_them() -> None:
    member = a_member()

    suspended = member.suspend(["Fee overdue."], at=NOON, by="secretariat-1")
    reasons_then = member.suspension_reasons
    reinstated = member.reinstate(at=NOON, by="secretariat-2")

    assert suspended == [MembershipSuspended(member_id="qatalum", reasons=["Fee overdue."], effective_on=NOON.date())]
    assert reasons_then == ("Fee overdue.",)
    assert reinstated == [MembershipReinstated(member_id="qatalum", effective_on=NOON.date())]
    assert member.suspension_reasons == ()


def test_a_suspension_without_a_reason_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        a_member().suspend([], at=NOON, by="secretariat-1")


def test_every_change_of_state_leaves_a_row_with_who_when_and_why() -> None:
    member = a_member()

    member.suspend(["Fee overdue."], at=NOON, by="secretariat-1")

    assert [change.state for change in member.history] == [State.REGISTERED, State.ACTIVE, State.SUSPENDED]
    assert member.history[-1].reasons == ("Fee overdue.",)
    assert member.history[-1].by == "secretariat-1"


@given(st.lists(st.sampled_from(["activate", "suspend", "reinstate"]), max_size=12))
def test_no_sequence_of_commands_leads_out_of_the_three_states_or_announces_a_refused_one(commands: list[str]) -> None:
    allowed = {"activate": State.REGISTERED, "suspend": State.ACTIVE, "reinstate": State.SUSPENDED}
    organisation = an_organisation()

    for command in commands:
        before = organisation.state
        try:
            announced = _carry_out(organisation, command)
        except IllegalTransition:
            assert before is not allowed[command]
            assert organisation.state is before
        else:
            assert before is allowed[command]
            assert len(announced) == 1
    assert len(organisation.history) <= 1 + len(commands)


def _carry_out(organisation: Organisation, command: str) -> list:
    if command == "activate":
        return organisation.activate(joined_on=None, obligations=OBLIGATIONS, at=NOON, by="s")
    if command == "suspend":
        return organisation.suspend(["Fee overdue."], at=NOON, by="s")
    return organisation.reinstate(at=NOON, by="s")
