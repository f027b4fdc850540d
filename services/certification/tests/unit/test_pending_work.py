"""What an undecided case waits for: said for every reason that a rule set can hold it with, and who has to act."""

import datetime
from typing import Any

import pytest

from certification.domain.rules.rule_set import Stage
from certification.presenters.pending_work import _MISSING
from touchstone_chassis.api import Lag
from touchstone_contracts.values import PlanState

CASE = "body.r-1"
UNDECIDABLE = {"report_incomplete", "report_inconsistent", "team_missing", "acceptance_not_impartial"}
"""Faults of a report for which nobody can do anything but look."""


@pytest.fixture
def line(office: Any) -> Any:
    """What the case waits for, as `list_unfinished` puts it together."""

    def line() -> Any:
        service, _ = office.begin()
        case = service.cases.get(CASE)
        return service._waiting(case)

    return line


def test_every_reason_that_can_hold_a_case_has_its_words(rules: Any) -> None:
    codes = {guard.code for guard in rules.guards} | {row.waits.code for row in rules.rows if row.waits}

    assert codes - set(_MISSING) == UNDECIDABLE
    assert {guard.code for guard in rules.guards if guard.stage is Stage.ISSUE} <= set(_MISSING)


def test_a_case_whose_member_is_unknown_waits_for_the_registrar(office: Any, build: Any, line: Any) -> None:
    office.deliver(build.accepted())

    found = line()

    assert (found.state, found.who, found.since) == ("member unknown", "registrar", office.clock.now())
    assert found.waits_for == "member smelter: register and activate it"


@pytest.mark.parametrize(("late", "who"), [(False, None), (True, "operator")])
def test_while_not_all_has_come_that_membership_says_a_case_waits_for_that(
    office: Any, build: Any, line: Any, late: bool, who: str | None
) -> None:
    lacking = "membership: not in step since 12:00:00, lacks 1 membership.organisation_recorded"
    office.heartbeats.lags["membership"] = Lag(lacking, late=late)
    office.deliver(build.accepted())

    found = line()

    assert (found.state, found.who) == ("member not known yet", who)
    assert found.waits_for == f"word of member smelter ({lacking})"


def test_a_case_without_a_mandate_waits_for_one_or_for_a_person(office: Any, build: Any, line: Any) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted())

    found = line()

    assert (found.state, found.who) == ("decision open (row 7 says full)", "Secretariat")
    assert found.waits_for == "a mandate for PS 3.0, or a person's decision"


def test_a_mandate_that_begins_later_is_named_and_nobody_has_to_act(office: Any, build: Any, line: Any) -> None:
    office.sign_mandate(valid_from="2026-12-01")
    office.deliver(build.recorded())
    office.deliver(build.accepted())

    found = line()

    assert (found.who, found.until) == (None, datetime.date(2026, 12, 1))
    assert found.waits_for == "mandate mandate-1, in force from 2026-12-01"


def test_a_mandate_whose_signer_took_part_is_no_help(office: Any, build: Any, line: Any) -> None:
    office.sign_mandate()
    office.deliver(build.recorded())
    office.deliver(build.accepted(team=["secretariat-1"], accepted_by="secretariat-2"))

    found = line()

    assert found.who == "Secretariat" and "took part" in found.waits_for


def test_a_plan_that_is_due_later_needs_nobody_until_then(ready: Any, build: Any, line: Any) -> None:
    open_plan = build.finding(plan=PlanState.SUBMITTED, due_on=datetime.date(2026, 12, 31))
    ready.deliver(build.accepted([open_plan]))

    found = line()
    late = _on(ready, datetime.date(2027, 1, 2), line)

    assert (found.state, found.who, found.until) == ("held (row 5b)", None, datetime.date(2026, 12, 31))
    assert found.waits_for == "an approved corrective action plan from body body, due on 2026-12-31"
    assert late.who == "operator" and late.waits_for == "the decision that was due after 2026-12-31"


def test_a_suspended_member_waits_for_the_registrar(ready: Any, build: Any, line: Any) -> None:
    ready.deliver(build.suspended(), sequence=2)
    ready.deliver(build.accepted())

    found = line()

    assert (found.who, found.waits_for) == ("registrar", "member smelter to be in good standing")
    assert found.reasons == ("The membership of Smelter AS is suspended.",)


def test_a_hold_that_the_calendar_may_end_needs_nobody_until_then(ready: Any, build: Any, line: Any) -> None:
    ready.deliver(build.accepted(audited_until=datetime.date(2026, 12, 24)))

    found = line()

    assert (found.who, found.until) == (None, datetime.date(2026, 12, 24))
    assert found.waits_for == "the audit's last day; looked at again on 2026-12-24"


def test_a_report_that_cannot_be_decided_waits_for_somebody_who_looks(ready: Any, build: Any, line: Any) -> None:
    ready.deliver(build.accepted(team=[]))

    found = line()

    assert (found.who, found.waits_for) == ("Secretariat", "a person who clears up what is wrong with the report")


def test_the_list_goes_on_from_its_cursor_and_asks_for_one(ready: Any, build: Any) -> None:
    for number in range(3):
        ready.deliver(build.accepted(audit_id=f"body.r-{number}", member_id="nobody"))

    first = ready.call("list_unfinished", {"limit": 2})
    second = ready.call("list_unfinished", {"limit": 2, "after": first["next"]})
    one = ready.call("list_unfinished", {"case": "body.r-1"})

    assert [item["case"] for item in first["items"] + second["items"]] == ["body.r-0", "body.r-1", "body.r-2"]
    assert ([item["case"] for item in one["items"]], second["next"]) == (["body.r-1"], None)


def _on(office: Any, day: datetime.date, line: Any) -> Any:
    """The line on a later day, the deadlines of the days between not having run."""
    office.clock.time = datetime.datetime.combine(day, datetime.time(12), tzinfo=datetime.UTC)
    return line()
