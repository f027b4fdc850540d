"""What a report names is held against membership's word: refused, waited for, or returned once it is certain."""

import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from assessment.service import AssessmentService
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import InvalidReport, InvalidRequest, NotFound, NotKnownYet
from touchstone_contracts.events.membership import EntityRecorded, FacilityRecorded, OrganisationRecorded
from touchstone_contracts.roles import ASSESSOR, MEMBER
from touchstone_contracts.values import Place

Building = Callable[..., dict[str, Any]]
DNV = Caller("dnv-reports", ASSESSOR, cab="dnv")
SECOND = FacilityRecorded(
    facility_id="qatalum-2",
    entity_id="qatalum-mesaieed",
    member_id="qatalum",
    name="Second line",
    country="QA",
    activities=["SML", "CST"],
)


def of_the_second(a_report: Building) -> dict[str, Any]:
    report = a_report()
    report["scope"]["facilities"].append({"id": "qatalum-2", "name": "Second line", "country": "QA"})
    return report


@pytest.fixture
def behind(office: Any) -> Any:
    """The office, while not all is here that membership has told."""
    office.beats.all_told = False
    return office


@pytest.fixture
def waiting(behind: Any, a_report: Building) -> Any:
    """A report that names a facility of which nobody has heard here."""
    behind.answer = behind.submit(of_the_second(a_report))
    return behind


def later(office: Any, **time: float) -> None:
    office.clock.at += datetime.timedelta(**time)


def audit(office: Any) -> dict[str, Any]:
    found: dict[str, Any] = office.call("get_audit", office.secretariat, audit_id="dnv.r-1")
    return found


def test_what_is_unknown_is_refused_with_its_path_where_all_is_here(office: Any, a_report: Building) -> None:
    report = of_the_second(a_report) | {"member_id": "qatalun"}

    with pytest.raises(InvalidReport) as refused:
        office.submit(report)

    assert [(e.path, e.code) for e in refused.value.errors] == [
        ("member_id", "unknown_member"),
        ("scope.facilities[1].id", "unknown_facility"),
        ("entity.id", "not_of_member"),
    ]
    assert office.beats.waited == 1 and office.events() == []


def test_a_report_of_what_is_known_waits_for_nobody(behind: Any) -> None:
    assert behind.submit()["waits_for"] == []
    assert behind.beats.waited == 0 and behind.due() == []


def test_what_is_unknown_is_taken_and_named_while_not_all_is_here(waiting: Any) -> None:
    (named,) = waiting.answer["waits_for"]

    assert (named["target"], named["who"]) == ("scope.facilities[1].id", "membership")
    assert named["what"] == "facility qatalum-2 is not known yet"
    assert [list(event.waits_for) != [] for event in waiting.events("AuditReportSubmitted")] == [True]
    (unfinished,) = waiting.call("list_unfinished", waiting.secretariat, case=None, limit=10, after=None)["items"]
    assert unfinished["waits_for"].startswith("word of membership: scope.facilities[1].id")
    with pytest.raises(NotKnownYet) as refused:
        waiting.call("accept_audit_report", waiting.secretariat, audit_id="dnv.r-1")
    assert [e.path for e in refused.value.errors] == ["scope.facilities[1].id"] and refused.value.retryable


def test_what_comes_by_message_is_answered_at_once(behind: Any, a_report: Building) -> None:
    request = {"report": of_the_second(a_report)}
    behind.record(AssessmentService.submit_by_message.__wrapped__, request, DNV, "m-1")

    (event,) = behind.events("AuditReportSubmitted")
    assert [word.target for word in event.waits_for] == ["scope.facilities[1].id"]
    assert behind.beats.waited == 0


def test_once_it_is_known_the_report_goes_on(waiting: Any) -> None:
    waiting.hear(SECOND)
    later(waiting, seconds=10)

    assert waiting.run_due() == 1

    assert audit(waiting)["waits_for"] == [] and waiting.due() == []
    assert [event.waits_for for event in waiting.events("AuditReportWaiting")] == [[]]
    accepted = waiting.call("accept_audit_report", waiting.secretariat, audit_id="dnv.r-1")
    assert accepted["state"].value == "accepted"
    (event,) = waiting.events("AuditAccepted")
    assert {"kind": "facility", "id": "qatalum-2", "sequence": 1} in [vars(one) for one in event.relied_on]


def test_a_standard_that_needs_nobodys_look_accepts_it_then(office_with: Any, a_report: Building) -> None:
    office = office_with(acceptance="automatic")
    office.beats.all_told = False
    assert office.submit(of_the_second(a_report))["state"].value == "submitted"

    office.hear(SECOND)
    later(office, seconds=10)
    office.run_due()

    assert audit(office)["state"].value == "accepted"
    assert [event.accepted_by for event in office.events("AuditAccepted")] == ["configuration"]


def test_once_it_is_certain_that_nobody_knows_it_the_report_goes_back_to_its_body(
    waiting: Any, a_report: Building
) -> None:
    waiting.beats.all_told = True
    later(waiting, seconds=10)
    waiting.run_due()

    (event,) = waiting.events("AuditReportReturned")
    assert event.reasons == ["scope.facilities[1].id: 'qatalum-2' is no facility in the register."]
    assert waiting.submit(a_report())["state"].value == "submitted"
    assert waiting.run_due() == 0


def test_what_turns_out_to_be_anothers_goes_back_too(waiting: Any) -> None:
    waiting.hear(dataclasses.replace(SECOND, entity_id="alba-works", member_id="alba"))
    later(waiting, seconds=10)
    waiting.run_due()

    (event,) = waiting.events("AuditReportReturned")
    assert event.reasons == ["scope.facilities[1].id: 'qatalum-2' is no facility of 'qatalum-mesaieed'."]


def test_after_five_minutes_the_body_is_told_once_that_its_report_still_waits(waiting: Any) -> None:
    told = []
    for _ in range(15):
        later(waiting, seconds=30)
        assert waiting.run_due() == 1
        told.append(len(waiting.events("AuditReportWaiting")))

    assert told == [0] * 9 + [1] * 6
    (event,) = waiting.events("AuditReportWaiting")
    assert (event.body_id, [word.target for word in event.waits_for]) == ("dnv", ["scope.facilities[1].id"])


def test_what_the_register_says_otherwise_by_now_is_not_accepted(office: Any) -> None:
    office.submit()
    moved = FacilityRecorded(
        facility_id="qatalum-1",
        entity_id="alba-works",
        member_id="alba",
        name="Mesaieed smelter",
        country="QA",
        activities=["SML", "CST"],
    )
    office.hear(moved, sequence=2)

    with pytest.raises(InvalidReport) as refused:
        office.call("accept_audit_report", office.secretariat, audit_id="dnv.r-1")

    assert [(e.path, e.code) for e in refused.value.errors] == [("scope.facilities[0].id", "not_of_entity")]
    assert audit(office)["state"].value == "submitted"


def test_of_a_record_that_comes_late_the_newer_one_stays(office: Any, a_report: Building) -> None:
    renamed = EntityRecorded(
        entity_id="qatalum-mesaieed", member_id="alba", name="Sold", country="QA", activities=["SML", "CST"]
    )
    office.hear(renamed, sequence=1)
    assert office.submit()["state"].value == "submitted"

    office.hear(renamed, sequence=2)
    with pytest.raises(InvalidReport):
        office.submit(a_report(report_id="R-2"))


def test_acceptance_pins_the_member_as_it_was_known(office: Any) -> None:
    suspended = OrganisationRecorded(
        member_id="qatalum",
        legal_name="Qatar Aluminium Limited",
        member_class="PT",
        country="QA",
        state="suspended",
        effective_on=datetime.date(2026, 10, 1),
        reasons=["Fee overdue."],
    )
    office.hear(suspended, sequence=7)
    office.submit()
    office.call("accept_audit_report", office.secretariat, audit_id="dnv.r-1")

    (event,) = office.events("AuditAccepted")
    assert (event.member.state, event.member.member_class, event.member.sequence) == ("suspended", "PT", 7)
    assert event.scope.facilities == [Place(id="qatalum-1", name="Mesaieed", country="QA")]


def test_beside_a_membership_that_tells_no_records_unknown_is_taken_as_before(office: Any, a_report: Building) -> None:
    office.beats.all_told = False
    office.provided["settings"]["unknown_references"] = "take"

    assert office.submit(of_the_second(a_report))["waits_for"] == []
    accepted = office.call("accept_audit_report", office.secretariat, audit_id="dnv.r-1")
    assert accepted["state"].value == "accepted"


def test_a_past_report_of_what_is_unknown_is_imported_once_that_is_known(office: Any, a_report: Building) -> None:
    office.beats.all_told = False
    report = of_the_second(lambda: a_report(version="2.0", audited_from="2021-11-28", audited_until="2021-12-16"))
    history = {"issued_on": "2022-04-11", "number": 195, "source": "Summary report"}
    with pytest.raises(NotKnownYet):
        office.call("import_audit_report", office.registrar, report=report, history=history)

    office.hear(SECOND)

    imported = office.call("import_audit_report", office.registrar, report=report, history=history)
    assert imported["state"].value == "accepted"


PS = {"code": "PS", "version": "3.0"}


def test_whoever_writes_a_report_is_told_the_scope_and_the_criteria_that_must_be_rated(
    office: Any, a_report: Building
) -> None:
    asked = {"entity_id": "qatalum-mesaieed", "facility_ids": ["qatalum-1"], "standard": PS}

    scope = office.call("get_scope", DNV, **asked)

    assert (scope["member_id"], scope["member_class"], scope["activities"]) == ("qatalum", "PT", ["CST", "SML"])
    assert scope["facilities"] == [
        {"id": "qatalum-1", "name": "Mesaieed smelter", "country": "QA", "activities": ["SML", "CST"]}
    ]
    assert [one["code"] for one in scope["criteria"]] == [one["criterion"] for one in a_report()["findings"]]
    may = {one["code"] for one in scope["criteria"] if one["may_be_not_applicable"]}
    assert "9.3" in may and not may & {"1.1", "5.2"}


def test_of_an_entity_without_facilities_it_is_what_the_entity_does(office: Any) -> None:
    scope = office.call("get_scope", DNV, entity_id="qatalum-mesaieed", facility_ids=[], standard=PS)

    assert (scope["facilities"], scope["activities"]) == ([], ["CST", "SML"])


def test_a_member_is_told_of_its_own_scopes_alone_and_nobody_of_what_is_unknown(office: Any) -> None:
    own, other = (Caller(f"{id}-manager", MEMBER, member=id) for id in ("qatalum", "alba"))
    asked = {"entity_id": "qatalum-mesaieed", "facility_ids": [], "standard": PS}

    assert office.call("get_scope", own, **asked)["member_id"] == "qatalum"
    for caller, wanted in ((other, asked), (DNV, asked | {"entity_id": "alba-works"})):
        with pytest.raises(NotFound):
            office.call("get_scope", caller, **wanted)
    with pytest.raises(InvalidRequest) as refused:
        office.call("get_scope", DNV, **asked | {"facility_ids": ["qatalum-1", "alba-1"]})
    assert [(e.path, e.code) for e in refused.value.errors] == [("facility_ids[1]", "not_of_entity")]
