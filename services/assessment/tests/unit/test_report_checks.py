"""What is found wrong with an audit report: every code at least once, and everything at once."""

import copy
import datetime
from collections.abc import Callable
from typing import Any

import pytest

from assessment.schemas.report_hash import report_hash
from assessment.schemas.report_parsing import parse_report
from touchstone_contracts.errors import FieldError

Report = dict[str, Any]
Building = Callable[..., Report]
Finding = Callable[..., list[FieldError]]


def found(faults: list[FieldError]) -> set[tuple[str, str]]:
    return {(fault.path, fault.code) for fault in faults}


def changed(report: Report, path: str, value: Any) -> Report:
    """The report with one value replaced; `path` like `scope.facilities.0.id`, `...` takes the value away."""
    report = copy.deepcopy(report)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = report
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return report


def test_a_report_without_a_fault_is_taken(a_report: Building, faults: Finding) -> None:
    assert faults(a_report()) == []


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_a_report_may_rate_criteria_beyond_its_scope(a_report: Building, faults: Finding, version: str) -> None:
    days = {"audited_from": "2026-05-12", "audited_until": "2026-05-16"}
    report = a_report(version=version, audit_type="surveillance", recommendation="maintain", **days)
    beyond = {"2.0": "8.5", "3.0": "8.7"}[version]
    report["findings"].append({"criterion": beyond, "rating": "not_applicable", "reason": "No mining."})

    assert faults(report) == []


FORM_FAULTS = [
    ("report_id", ..., "report_id", "required"),
    ("report_id", "no spaces", "report_id", "invalid_id"),
    ("report_id", "R" * 65, "report_id", "too_long"),
    ("report_id", "", "report_id", "blank"),
    ("body_id", "DNV", "body_id", "invalid_id"),
    ("member_id", None, "member_id", "null"),
    ("member_id", 7, "member_id", "wrong_type"),
    ("entity.name", "\x00", "entity.name", "invalid_text"),
    ("entity.name", "half a \ud83d", "entity.name", "invalid_text"),
    ("entity.name", "n" * 301, "entity.name", "too_long"),
    ("entity.name", "Qatalum\ncertificate 5 issued", "entity.name", "invalid_text"),
    ("entity.name", "Qatalum\u2028certificate 5 issued", "entity.name", "invalid_text"),
    ("entity.name", "Qatalum\x85certificate 5 issued", "entity.name", "invalid_text"),
    ("entity.name", "Qatalum\x9b2J", "entity.name", "invalid_text"),
    ("entity.name", "mulataQ\u202e", "entity.name", "invalid_text"),
    ("entity.name", "\u200b", "entity.name", "blank"),
    ("entity.name", "\u3164", "entity.name", "blank"),
    ("findings.3.comment", "Seen.\u202e", "findings[3].comment", "invalid_text"),
    ("entity.country", "Qatar", "entity.country", "invalid_country"),
    *(("entity.country", code, "entity.country", "invalid_country") for code in ("UK", "ZZ", "EU", "XK", "AA", "SU")),
    ("scope.facilities.0.country", "UK", "scope.facilities[0].country", "invalid_country"),
    ("entity.vat_number", "1", "entity.vat_number", "unknown_field"),
    ("shoe_size", 43, "shoe_size", "unknown_field"),
    ("scope.activities", [], "scope.activities", "too_few"),
    ("scope.activities", "SML", "scope.activities", "wrong_type"),
    ("scope.activities.1", 5, "scope.activities[1]", "wrong_type"),
    ("scope", [], "scope", "wrong_type"),
    ("team", ..., "team", "required"),
    ("team.1", None, "team[1]", "null"),
    ("team.1", "auditor-2", "team[1]", "wrong_type"),
    ("audited_from", "12 October 2026", "audited_from", "invalid_date"),
    ("audited_from", "2026-02-30", "audited_from", "invalid_date"),
    ("audited_from", "2026-10-12T00:00:00Z", "audited_from", "invalid_date"),
    ("audited_from", 20261012, "audited_from", "wrong_type"),
    ("findings", ..., "findings", "required"),
    ("findings", {}, "findings", "wrong_type"),
    ("findings", [{"criterion": "1.1", "rating": "conformance"}] * 201, "findings", "too_many"),
    ("findings.3", 1, "findings[3]", "wrong_type"),
    ("findings.3.comment", "c" * 10_001, "findings[3].comment", "too_long"),
    ("findings.3.rating", True, "findings[3].rating", "wrong_type"),
    ("findings.3.colour", "red", "findings[3].colour", "unknown_field"),
    ("provenance", {"source": "x", "illustrative": [1]}, "provenance.illustrative[0]", "wrong_type"),
]
CONTENT_FAULTS = [
    ("body_id", "another-body", "body_id", "not_your_body"),
    ("audit_type", "visit", "audit_type", "unknown_audit_type"),
    ("recommendation", "perhaps", "recommendation", "unknown_recommendation"),
    ("scope.type", "planet", "scope.type", "unknown_scope_type"),
    ("maturity.risk", "middling", "maturity.risk", "unknown_maturity"),
    ("standard.version", "9.9", "standard", "unknown_standard"),
    ("standard.version", "2.0", "standard", "standard_not_open"),
    ("scope.activities.1", "BREWING", "scope.activities[1]", "unknown_activity"),
    ("scope.activities.1", "SML", "scope.activities[1]", "duplicate_activity"),
    ("scope.facilities", [], "scope.facilities", "facilities_missing"),
    ("scope.facilities", ..., "scope.facilities", "facilities_missing"),
    ("audited_until", "2026-10-11", "audited_until", "date_order"),
    ("audited_until", "2026-11-03", "audited_until", "date_order"),
    ("statements.information_true", False, "statements.information_true", "statement_missing"),
    ("statements.information_true", "true", "statements.information_true", "statement_missing"),
    ("statements.information_true", 1, "statements.information_true", "statement_missing"),
    ("statements.information_true", ..., "statements.information_true", "statement_missing"),
    ("team", [], "team", "lead_auditor_missing"),
    ("team.0.role", "auditor", "team", "lead_auditor_missing"),
    ("team.1.role", "lead", "team[1].role", "second_lead_auditor"),
    ("team.1.role", "driver", "team[1].role", "unknown_role"),
    ("team.1.auditor_id", "auditor-1", "team[1].auditor_id", "duplicate_auditor"),
    ("team.1.auditor_id", "a-stranger", "team[1].auditor_id", "auditor_not_accredited"),
    ("findings.0.criterion", "12.1", "findings[0].criterion", "unknown_criterion"),
    ("findings.0", ..., "findings", "missing_criterion"),
    ("findings.1.criterion", "1.1", "findings[1].criterion", "duplicate_criterion"),
    ("findings.1.rating", "good", "findings[1].rating", "unknown_rating"),
    ("findings.1.rating", "minor_nonconformity", "findings[1].plan", "missing_plan"),
    ("findings.1.rating", "major_nonconformity", "findings[1].plan", "missing_plan"),
    ("findings.1.plan", {"state": "approved"}, "findings[1].plan", "plan_not_allowed"),
    ("findings.1.rating", "not_applicable", "findings[1].reason", "missing_reason"),
    ("findings.1.rating", "not_applicable", "findings[1].rating", "not_applicable_not_allowed"),
]


@pytest.mark.parametrize(("path", "value", "where", "code"), FORM_FAULTS + CONTENT_FAULTS)
def test_a_fault_is_found_where_it_is(
    a_report: Building, faults: Finding, path: str, value: Any, where: str, code: str
) -> None:
    report = a_report()
    if path.startswith("provenance"):
        report["provenance"] = {}

    assert (where, code) in found(faults(changed(report, path, value)))


@pytest.mark.parametrize(("path", "value", "where", "code"), FORM_FAULTS)
def test_a_place_that_cannot_be_read_is_reported_once(
    a_report: Building, faults: Finding, path: str, value: Any, where: str, code: str
) -> None:
    report = a_report() | {"provenance": {}} if path.startswith("provenance") else a_report()

    assert [f.code for f in faults(changed(report, path, value)) if f.path == where] == [code]


def test_a_facility_stands_in_a_scope_once(a_report: Building, faults: Finding) -> None:
    report = a_report()
    report["scope"]["facilities"] *= 2

    assert found(faults(report)) == {("scope.facilities[1].id", "duplicate_facility")}


@pytest.mark.parametrize(
    ("plan", "where", "code"),
    [
        ({"state": "promised"}, "findings[1].plan.state", "unknown_plan_state"),
        ({"state": "none", "due_on": "2026-10-15"}, "findings[1].plan.due_on", "date_order"),
        ({"state": "none", "due_on": "soon"}, "findings[1].plan.due_on", "invalid_date"),
        ({}, "findings[1].plan.state", "required"),
        (None, "findings[1].plan", "missing_plan"),
    ],
)
def test_a_plan_that_says_too_little_or_the_impossible_is_the_only_fault(
    a_report: Building, rated: Building, faults: Finding, plan: Any, where: str, code: str
) -> None:
    report = rated(a_report(), "1.2", "minor_nonconformity", plan=plan)

    assert found(faults(report)) == {(where, code)}


RECOMMENDED = {
    "minor_nonconformity": "certify",
    "major_nonconformity": "certify_provisionally",
    "critical_breach": "do_not_certify",
}


@pytest.mark.parametrize("state", ["none", "submitted", "approved", "rejected"])
@pytest.mark.parametrize("rating", RECOMMENDED)
def test_a_plan_in_any_state_is_complete_but_for_a_major_without_any(
    a_report: Building, rated: Building, faults: Finding, rating: str, state: str
) -> None:
    report = rated(a_report(recommendation=RECOMMENDED[rating]), "1.2", rating, plan={"state": state})

    lacking = {("findings[1].plan.state", "missing_plan")}
    assert found(faults(report)) == (lacking if (rating, state) == ("major_nonconformity", "none") else set())


def test_a_critical_breach_needs_no_plan(a_report: Building, rated: Building, faults: Finding) -> None:
    assert faults(rated(a_report(recommendation="do_not_certify"), "1.2", "critical_breach")) == []


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_reason_that_says_nothing_is_none(
    a_report: Building, rated: Building, faults: Finding, reason: str | None
) -> None:
    report = rated(a_report(), "3.3", "not_applicable", reason=reason)

    assert {fault.code for fault in faults(report)} == {"missing_reason"}


def test_a_body_that_is_not_accredited_is_named(a_report: Building, faults: Finding) -> None:
    assert ("body_id", "body_not_accredited") in found(faults(a_report(), body=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"audited_from": "2030-12-30", "audited_until": "2031-01-02"},
        {"entity": {"id": "x1", "name": "X", "country": "IS"}},
    ],
)
def test_body_and_team_must_cover_the_audit(a_report: Building, faults: Finding, changes: Report) -> None:
    long_after = datetime.date(2031, 2, 1)
    wrong = faults(a_report(**changes), today=long_after, audited_by=long_after)
    codes = [(fault.path, fault.code) for fault in wrong]

    assert codes == [
        ("body_id", "body_not_accredited"),
        ("team[0].auditor_id", "auditor_not_accredited"),
        ("team[1].auditor_id", "auditor_not_accredited"),
    ]


def test_an_activity_beyond_the_accreditation_is_named(a_report: Building, faults: Finding) -> None:
    (first, *_) = faults(a_report(activities=["SML", "BXM"]))

    assert (first.code, first.message) == ("body_not_accredited", "'dnv' lacks activity BXM.")


def test_an_industrial_user_on_version_2_is_rated_on_principle_4_only(a_report: Building, faults: Finding) -> None:
    days = {"audited_from": "2026-05-12", "audited_until": "2026-05-16"}
    surveillance = {"audit_type": "surveillance", "recommendation": "maintain"}
    report = a_report(version="2.0", activities=["MCV", "OMS"], **surveillance, **days)

    assert [finding["criterion"] for finding in report["findings"]] == ["4.1", "4.2", "4.3", "4.4"]
    assert faults(report) == []


def test_five_faults_of_form_and_content_are_told_at_once(a_report: Building, rated: Building, faults: Finding) -> None:
    report = rated(a_report(), "1.2", "good")
    report = rated(report, "2.4", "minor_nonconformity")
    report = rated(report, "3.3", "not_applicable")
    report["findings"].pop()
    report["entity"]["country"] = "Qatar"

    assert found(faults(report)) == {
        ("entity.country", "invalid_country"),
        ("findings[1].rating", "unknown_rating"),
        ("findings[6].plan", "missing_plan"),
        ("findings[15].reason", "missing_reason"),
        ("findings", "missing_criterion"),
    }


def test_an_empty_report_lacks_everything_and_nothing_twice(faults: Finding) -> None:
    wrong = faults({})

    assert {fault.code for fault in wrong} == {"required"}
    assert len(wrong) == 14


@pytest.mark.parametrize("report", [None, [], "report", 1, 1.5, True])
def test_what_is_no_object_is_no_report(faults: Finding, report: Any) -> None:
    assert found(faults(report)) == {("", "wrong_type")}


def test_a_message_never_repeats_a_long_text(a_report: Building, rated: Building, faults: Finding) -> None:
    report = changed(a_report(), "standard.code", "S" * 16)
    report = changed(report, "audit_type", "t" * 64)

    assert all(len(fault.message) < 200 for fault in faults(report))


def test_the_hash_is_of_the_content_not_of_its_order(a_report: Building) -> None:
    report = a_report()
    turned = dict(reversed(report.items()))

    assert report_hash(turned) == report_hash(report)
    assert report_hash(changed(report, "report_id", "R-2")) != report_hash(report)
    assert report_hash({"b": "€", "a": [True, None]}) == (
        "sha256:e67b20cc26c0d1f6ccaa43bd9370c0a5454fa9a89ac2365e3ea512e1f559b98a"
    )


def test_a_parsed_report_holds_what_could_be_read(a_report: Building) -> None:
    parsed = parse_report(changed(a_report(), "standard.version", 3))

    assert parsed.text("standard", "code") == "PS"
    assert parsed.text("standard", "version") is None
    assert parsed.text("report_id", "deeper") is None
