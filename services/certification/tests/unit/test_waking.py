"""That no case goes on waiting for what was committed while it was being opened, whoever commits first."""

import datetime
from typing import Any

import pytest

from certification.storage.jobs import WAKE
from touchstone_contracts.values import AuditType, Scope, Standard

COC = Standard(code="COC", version="2.0")
LATER = datetime.date(2027, 1, 1)


def deadlines(office: Any) -> list[str]:
    return [document["_id"] for document in office.documents("deadlines")]


@pytest.fixture
def both(ready: Any) -> Any:
    """An office with mandates for both standards."""
    ready.sign_mandate(mandate_id="mandate-2", standards=[{"code": "COC", "version": "2.0"}])
    ready.run_due()
    return ready


@pytest.fixture
def needing(build: Any) -> Any:
    """An audit that needs its entity's Performance Standard certificate."""
    return build.accepted(audit_id="body.r-2", standard=COC)


def test_a_case_that_is_held_while_the_certificate_it_needs_is_being_issued_is_decided(
    both: Any, build: Any, needing: Any, deliver_in: Any
) -> None:
    service, unit = both.begin()
    deliver_in(service, build.accepted(), 1)
    both.deliver(needing)
    both.run_due()
    before = both.case("body.r-2")["state"]

    both.finish(service, unit, build.accepted())
    both.run_due()

    assert (before, both.case("body.r-2")["state"]) == ("held", "decided")


def test_a_case_that_is_being_opened_while_the_certificate_it_needs_is_issued_is_decided(
    both: Any, build: Any, needing: Any, deliver_in: Any
) -> None:
    service, unit = both.begin()
    deliver_in(service, needing, 1)
    both.deliver(build.accepted())
    both.run_due()

    both.finish(service, unit, needing)

    assert both.case("body.r-2")["state"] == "decided"


def test_a_case_that_was_opened_before_its_member_came_is_seen_by_whoever_issues_what_it_needs(
    office: Any, build: Any, needing: Any, deliver_in: Any
) -> None:
    office.sign_mandate(standards=[{"code": "PS", "version": "3.0"}, {"code": "COC", "version": "2.0"}])
    early, opening = office.begin()
    deliver_in(early, needing, 1)
    office.deliver(build.recorded())
    service, issuing = office.begin()
    deliver_in(service, build.accepted(), 1)
    office.finish(early, opening, needing)
    office.run_due()
    before = office.case("body.r-2")["state"]

    office.finish(service, issuing, build.accepted())
    office.run_due()

    assert (before, office.case("body.r-2")["state"]) == ("held", "decided")


def test_a_person_who_decides_wakes_a_case_that_came_meanwhile(office: Any, build: Any, needing: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate(standards=[{"code": "COC", "version": "2.0"}])
    office.deliver(build.accepted())
    office.run_due()
    service, unit = office.begin()
    service.case_decision.decide("body.r-1", "secretariat-2", service._terms())
    office.deliver(needing)
    office.run_due()
    before = office.case("body.r-2")["state"]

    office.commit(unit)
    office.run_due()

    assert (before, office.case("body.r-2")["state"]) == ("held", "decided")


def test_a_certificate_for_an_entity_with_decided_cases_wakes_a_case_that_came_meanwhile(
    both: Any, build: Any, needing: Any, deliver_in: Any
) -> None:
    both.deliver(build.accepted([build.finding(rating=build.critical)], audit_id="body.r-0"))
    service, unit = both.begin()
    deliver_in(service, build.accepted(), 1)
    both.deliver(needing)
    both.run_due()
    before = both.case("body.r-2")["state"]

    both.finish(service, unit, build.accepted())
    both.run_due()

    assert (before, both.case("body.r-2")["state"]) == ("held", "decided")


def test_the_end_of_a_certificate_wakes_a_case_that_a_replica_whose_clock_is_behind_held_meanwhile(
    ready: Any, build: Any
) -> None:
    ready.deliver(build.accepted([build.finding(rating=build.major)]))
    ready.clock.time = datetime.datetime(2027, 11, 22, tzinfo=datetime.UTC)
    service, unit = ready.begin()
    service.certificate_expiry.expire("certificate-10001", "c", now=ready.clock.time)
    ready.database["deadlines"].delete_many({})
    ready.clock.time -= datetime.timedelta(milliseconds=5)
    ready.deliver(build.accepted(audit_id="body.r-2"))
    ready.run_due()
    before = ready.case("body.r-2")["state"]

    ready.clock.time += datetime.timedelta(milliseconds=5)
    ready.commit(unit)
    ready.run_due()

    assert (before, ready.case("body.r-2")["state"]) == ("held", "decided")


def test_the_only_case_of_an_entity_sets_nothing_but_the_end_of_its_certificate(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())

    assert deadlines(ready) == ["certificate_expiry/certificate-10001"]


def test_a_chain_of_custody_certificate_wakes_the_audit_that_follows_it(both: Any, build: Any, needing: Any) -> None:
    both.go_to(datetime.date(2026, 12, 10))
    both.deliver(build.accepted(audit_id="body.r-3", audit_type=AuditType.SURVEILLANCE, standard=COC))
    before = both.case("body.r-3")
    both.deliver(build.accepted())

    both.deliver(needing)
    both.run_due()

    assert (before["state"], before["reasons"][0]["code"]) == ("held", "certificate_missing")
    assert [both.case(id)["decision"]["outcome"] for id in ("body.r-2", "body.r-3")] == ["full", "maintained"]


def test_two_first_cases_of_an_entity_that_are_opened_at_once_are_both_decided(
    ready: Any, build: Any, deliver_in: Any
) -> None:
    other = build.accepted(audit_id="body.r-2", scope=Scope(type="product_program", text="Billets", activities=["SML"]))
    service, unit = ready.begin()
    deliver_in(service, build.accepted(), 1)
    ready.deliver(other)

    ready.finish(service, unit, build.accepted())
    ready.run_due()

    assert [ready.case(id)["state"] for id in ("body.r-1", "body.r-2")] == ["decided", "decided"]
    first = [case["first_of_entity"] for case in ready.documents("cases")]
    assert sorted(first) == [False, True]


@pytest.mark.parametrize("later_is_signed_first", [True, False])
def test_a_mandate_from_a_later_day_and_one_from_today_both_wake_who_waits(
    office: Any, build: Any, later_is_signed_first: bool
) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted())
    # Its signer took part in this audit: it decides others.
    own = build.accepted(audit_id="body.r-2", entity=build.place("works-2"), team=["secretariat-1"], accepted_by="s-3")
    office.deliver(own)
    office.run_due()
    signing = [
        {"mandate_id": "later", "by": "secretariat-2", "valid_from": LATER.isoformat()},
        {"mandate_id": "today", "by": "secretariat-1"},
    ]

    for mandate in signing if later_is_signed_first else signing[::-1]:
        office.sign_mandate(**mandate)
    office.run_due()
    today = [office.case(id)["state"] for id in ("body.r-1", "body.r-2")]
    office.go_to(LATER)

    assert today == ["decided", "awaiting_decision"]
    assert office.case("body.r-2")["decision"]["decider"]["id"].startswith("later")


def test_a_case_that_an_earlier_release_forgot_is_decided_by_a_person(both: Any, build: Any, needing: Any) -> None:
    both.deliver(needing)
    both.run_due()
    both.deliver(build.accepted())
    both.database["deadlines"].delete_many({"kind": WAKE})
    both.run_due()
    before = both.case("body.r-2")["state"]

    both.call("decide_case", {"case_id": "body.r-2"})

    assert (before, both.case("body.r-2")["state"]) == ("held", "decided")
