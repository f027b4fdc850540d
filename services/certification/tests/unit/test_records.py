"""That each version of a case and of a certificate went with its record, whatever made it; and what records say."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification.data import rule_sets
from certification.domain.certificates.certificate import Status, issue
from certification.domain.certificates.timeline import first_step, state_on, timeline
from certification.reconciliation import DECLARATIONS
from touchstone_contracts.events.certification import CaseRecorded, CertificateRecorded, RuleSetPublished
from touchstone_contracts.values import CertificateState, Level, PlanState

FIRST, LAST = datetime.date(2026, 11, 22), datetime.date(2029, 11, 21)
DAY = datetime.timedelta(days=1)
UNTIL = datetime.date(2026, 12, 31)


def held_and_refused(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.deliver(build.accepted([build.finding(plan=PlanState.SUBMITTED)]))
    office.sign_mandate()
    office.run_due()
    office.go_to(UNTIL + 2 * DAY)


def waiting_for_its_member_and_then_for_a_person(office: Any, build: Any) -> None:
    office.deliver(build.accepted())
    office.deliver(build.recorded())
    office.run_due()
    office.call("decide_case", {"case_id": "body.r-1"})


def certified_and_expired(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate()
    office.deliver(build.accepted([build.finding(rating=build.major)]))
    office.go_to(FIRST + 400 * DAY)


def renewed_before_the_end_was_announced(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    office.sign_mandate()
    office.deliver(build.accepted([build.finding(rating=build.major)]))
    office.clock.time += 366 * DAY
    office.deliver(build.accepted(audit_id="body.r-2"))
    office.run_due()


@pytest.mark.parametrize(
    "happen",
    [
        held_and_refused,
        waiting_for_its_member_and_then_for_a_person,
        certified_and_expired,
        renewed_before_the_end_was_announced,
    ],
)
def test_each_version_goes_with_one_record_and_the_newest_is_what_is_stored(
    office: Any, build: Any, happen: Any
) -> None:
    happen(office, build)

    (_, unit), recorded = office.begin(), office.records()
    for record, present in DECLARATIONS.present.items():
        if record is RuleSetPublished:
            continue
        for id in present.ids(unit, "", 100):
            of_it = [(n, e) for n, e in recorded if type(e) is record and getattr(e, e.subject_field) == id]
            assert present.of(unit, id) == (of_it[-1][1], len(of_it))
            assert [number for number, _ in of_it] == list(range(1, len(of_it) + 1))


def test_a_rule_set_that_came_with_the_release_can_be_told_as_if_it_had_been_published(office: Any) -> None:
    _, unit = office.begin()
    shipped = rule_sets.shipped()[0]

    id, _ = DECLARATIONS.present[RuleSetPublished].ids(unit, "", 100)
    event, sequence = DECLARATIONS.present[RuleSetPublished].of(unit, id)

    assert (event.publication_id, event.content, event.hash, sequence) == (id, shipped.content, shipped.hash, 1)
    assert event.published_by == rule_sets.SHIPPED_BY and office.records() == []


def test_the_record_of_a_case_says_where_it_stands_and_what_was_decided(office: Any, build: Any) -> None:
    waiting_for_its_member_and_then_for_a_person(office, build)

    cases = [event for _, event in office.records() if isinstance(event, CaseRecorded)]
    assert [case.state for case in cases] == ["awaiting_member", "awaiting_decision", "decided"]
    assert [case.member_name for case in cases] == [None, "Smelter AS", "Smelter AS"]
    assert (cases[1].outcome, cases[2].outcome, cases[2].certificate_number) == (None, "full", 10_001)
    assert (cases[2].decided_by, cases[2].decided_on) == ("secretariat-1", FIRST)


def test_the_record_of_a_held_case_says_why_and_until_when(office: Any, build: Any) -> None:
    held_and_refused(office, build)

    held, refused = (event for _, event in office.records() if isinstance(event, CaseRecorded))
    assert (held.state, held.until, [r.code for r in held.reasons]) == ("held", UNTIL, ["plan_not_approved"])
    assert (refused.state, refused.outcome, refused.reasons[0].code) == ("decided", "refused", "plan_overdue")


def test_a_certificate_is_recorded_with_its_end_from_the_day_of_its_issue(build: Any) -> None:
    certificate, _ = issue(build.record(), today=FIRST)

    recorded = certificate.recorded()

    assert isinstance(recorded, CertificateRecorded)
    assert [(p.since, p.until, p.state, p.cause) for p in recorded.timeline] == [
        (None, FIRST - DAY, CertificateState.NOT_YET_ISSUED, None),
        (FIRST, LAST, CertificateState.VALID, "issued"),
        (LAST + DAY, None, CertificateState.EXPIRED, "end_date_reached"),
    ]


def test_what_is_announced_as_expired_was_to_come_and_changes_no_day(build: Any) -> None:
    certificate, _ = issue(build.record(), today=FIRST)
    before = certificate.recorded()

    certificate.expire(LAST + DAY)

    assert certificate.recorded() == before


def test_a_provisional_certificate_is_in_force_as_such(build: Any) -> None:
    record = build.record(level=Level.PROVISIONAL)
    periods = timeline([first_step(record)], record.expires_on)

    assert state_on(periods, FIRST) is CertificateState.PROVISIONAL


@given(
    issued_on=st.dates(datetime.date(2017, 1, 1), datetime.date(2100, 1, 1)),
    days=st.integers(0, 2000),
    day=st.dates(datetime.date(2010, 1, 1), datetime.date(2110, 1, 1)),
    level=st.sampled_from(Level),
)
def test_each_day_is_in_exactly_one_period(
    build: Any, issued_on: datetime.date, days: int, day: datetime.date, level: Level
) -> None:
    last = issued_on + days * DAY
    record = build.record(level=level, issued_on=issued_on, expires_on=last, certified_since=issued_on)

    periods = timeline([first_step(record)], record.expires_on)

    around = [p for p in periods if (p.since is None or p.since <= day) and (p.until is None or day <= p.until)]
    certificate, _ = issue(record, today=day)
    assert [period.state for period in around] == [state_on(periods, day)]
    assert (certificate.status_on(day) is Status.VALID) == (issued_on <= day <= last)
    assert [later.since for later in periods[1:]] == [earlier.until + DAY for earlier in periods[:-1]]
