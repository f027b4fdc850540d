"""What opening a case reads, so that it cannot grow unnoticed; and that what is remembered makes no decision stale."""

import datetime
from typing import Any

import pytest

from certification.storage.rule_sets import RuleSetCache
from touchstone_contracts.values import Scope

AT_ONCE = "rule_sets/members/member_standings/cases/sequences/mandates"
"""The third until 0.1 is gone: its membership tells stories alone."""
NEXT_DAY = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)


@pytest.fixture
def reads_of(deliver_in: Any) -> Any:
    """Handles an event and commits; answers which collections each command asked, in order."""

    def reads_of(office: Any, event: Any) -> list[str]:
        service, unit = office.begin()
        office.database.reads.clear()
        deliver_in(service, event, 1)
        reads = list(office.database.reads)
        office.commit(unit)
        return reads

    return reads_of


def test_opening_the_first_case_of_an_entity_reads_the_day_s_rules_its_member_and_whether_there_is_another(
    ready: Any, build: Any, reads_of: Any
) -> None:
    ready.provided["rule_set_cache"] = RuleSetCache()
    first = reads_of(ready, build.accepted())
    next_one = build.accepted(audit_id="body.r-2", entity=build.place("works-2"))

    assert first == [AT_ONCE.removesuffix("/mandates"), "rule_sets", "mandates"]  # which one, and what it says
    assert reads_of(ready, next_one) == [AT_ONCE]
    assert ready.case("body.r-2")["decision"]["decider"] == {"kind": "mandate", "id": "mandate-1"}


def test_opening_another_case_of_an_entity_reads_its_certificate_too(ready: Any, build: Any, reads_of: Any) -> None:
    ready.deliver(build.accepted())
    other_scope = Scope(type="product_program", text="Billets", activities=["SML"])

    reads = reads_of(ready, build.accepted(audit_id="body.r-2", scope=other_scope))

    assert reads == [AT_ONCE, "certificates"]
    assert ready.case("body.r-2")["state"] == "decided"


def test_a_suspension_counts_at_once_whatever_was_read_before(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())

    ready.deliver(build.suspended(), sequence=2)
    ready.deliver(build.accepted(audit_id="body.r-2", entity=build.place("works-2")))

    assert [one["code"] for one in ready.case("body.r-2")["reasons"]] == ["membership_not_active"]


def test_a_remembered_mandate_that_is_over_gives_no_authority(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate(valid_until="2026-11-22")
    office.deliver(build.accepted())

    office.clock.time = NEXT_DAY
    office.deliver(build.accepted(audit_id="body.r-2", entity=build.place("works-2")))

    assert (office.case()["state"], office.case("body.r-2")["state"]) == ("decided", "awaiting_decision")


def test_a_mandate_signed_after_others_were_read_is_found_where_those_give_no_authority(
    office: Any, build: Any
) -> None:
    office.deliver(build.recorded())
    office.sign_mandate()
    office.deliver(build.accepted())
    own = build.accepted(audit_id="body.r-2", entity=build.place("works-2"), team=["secretariat-1"], accepted_by="s-2")

    office.deliver(own)
    before = office.case("body.r-2")["state"]
    office.sign_mandate(mandate_id="mandate-2", by="secretariat-2")
    office.run_due()

    assert before == "awaiting_decision"
    assert office.case("body.r-2")["decision"]["decider"] == {"kind": "mandate", "id": "mandate-2"}


def test_the_oldest_mandate_is_named_on_the_day_when_it_comes_into_force(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate(mandate_id="mandate-1", valid_from="2026-11-23")
    office.clock.time += datetime.timedelta(minutes=1)
    office.sign_mandate(mandate_id="mandate-2")
    office.deliver(build.accepted())

    office.clock.time = NEXT_DAY
    office.deliver(build.accepted(audit_id="body.r-2", entity=build.place("works-2")))

    named = [office.case(id)["decision"]["decider"]["id"] for id in ("body.r-1", "body.r-2")]
    assert named == ["mandate-2", "mandate-1"]


def test_an_audit_that_has_its_case_is_found_when_opening_it_again_clashes(
    ready: Any, build: Any, deliver_in: Any
) -> None:
    ready.deliver(build.accepted())
    before = ready.case()
    service, unit = ready.begin()
    deliver_in(service, build.accepted(), 2)

    unit.reset()
    deliver_in(service, build.accepted(), 2)
    ready.commit(unit)

    assert (bool(unit.changes), ready.case()) == (False, before)
