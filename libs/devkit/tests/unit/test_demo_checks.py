"""The demo's own check finds what is missing, doubled or different, and nothing else."""

import datetime
from collections import Counter
from email import message_from_string
from typing import Any

import pytest

from touchstone_devkit.demo import checks
from touchstone_devkit.demo.cases import Case, addresses_to_tell, load_cases, load_setup
from touchstone_devkit.demo.outcome import Outcome

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
ISSUED = {
    "outcome": "issued",
    "number": 195,
    "level": "full",
    "member_name": "Qatar Aluminium (QATALUM)",
    "entity": {"id": "qatalum-mesaieed", "name": "Mesaieed", "country": "QA"},
    "body_name": "DNV Business Assurance Services UK",
    "standard": {"code": "PS", "version": "2.0"},
    "issued_on": "2022-04-11",
    "expires_on": "2025-04-10",
}


def a_case(title: str = "Qatalum, Mesaieed") -> Case:
    return next(case for case in load_cases() if case.title == title)


def an_outcome(**changes: Any) -> Outcome:
    decision = {**ISSUED, "event_id": "e-1"}
    notices = {"n-1": NOON, "n-2": NOON}
    given = {"decisions": [decision], "notices": notices, "certificate": ISSUED} | changes
    return Outcome(expected_notices=2, **given)


def test_what_comes_out_as_published_has_no_fault() -> None:
    assert checks.faults_of_case(a_case(), an_outcome()) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"decisions": []}, "no decision"),
        ({"decisions": [ISSUED, ISSUED]}, "2 decisions, not 1"),
        ({"decisions": [ISSUED | {"expires_on": "2025-04-11"}]}, "expires_on is '2025-04-11', not '2025-04-10'"),
        ({"decisions": [ISSUED | {"outcome": "held"}]}, "outcome is 'held', not 'issued'"),
        ({"certificate": None}, "certificate 195 is not in the register"),
        ({"certificate": ISSUED | {"body_name": "DNV"}}, "register: body_name is 'DNV'"),
        ({"notices": {"n-1": NOON}}, "1 notices sent, not 2"),
        ({"notices": dict.fromkeys(("n-1", "n-2", "n-3"), NOON)}, "3 notices sent, not 2"),
    ],
)
def test_each_fault_of_a_case_is_found(changes: dict[str, Any], fault: str) -> None:
    found = checks.faults_of_case(a_case(), an_outcome(**changes))

    assert any(fault in line for line in found), found


def test_a_refusal_by_another_rule_is_a_fault() -> None:
    refused = {"outcome": "refused", "reasons": [{"rule": "1", "code": "critical_breach", "text": "…"}]}

    found = checks.faults_of_case(a_case("four majors"), an_outcome(decisions=[refused], certificate=None))

    assert found == ["four majors: decided by rule 1, not 2a"]


def test_a_report_that_should_not_be_taken_is_a_fault_when_it_was() -> None:
    found = checks.faults_of_case(a_case("five faults in the report"), Outcome(expected_notices=0))

    assert found == ["five faults in the report: the report was taken"]


def test_missing_and_doubled_mails_are_found() -> None:
    mails = [message_from_string("Message-ID: <1@x>\nX-Envelope-To: a@example.org\n")] * 2

    found = checks.faults_of_mails({"a@example.org": 1, "b@example.org": 1}, mails)

    assert found == [
        "a@example.org: 2 mails, not 1",
        "b@example.org: 0 mails, not 1",
        "Message-ID <1@x> came more than once",
    ]


def test_a_certificate_too_many_is_found() -> None:
    cases = [a_case()]

    assert checks.faults_of_register(cases, [195]) == []
    assert checks.faults_of_register(cases, [195, 195]) == [
        "the register holds 2 certificates, not 1",
        "certificate 195 stands twice",
    ]


def test_files_about_real_firms_hold_no_nonconformity_and_say_what_is_illustrative() -> None:
    for case in (c for c in load_cases() if c.published):
        ratings = {finding["rating"] for finding in case.report["findings"]}

        assert ratings <= {"conformance", "not_applicable"}
        assert case.report["provenance"]["source"] == case.published["source"].strip()  # type: ignore[index]
        assert "findings" in case.report["provenance"]["illustrative"]


def test_every_case_names_people_to_tell_at_example_org() -> None:
    setup = load_setup()

    for case in load_cases():
        told = addresses_to_tell(setup, case)

        assert len(told) >= 4 and isinstance(told, Counter)
        assert all(address.endswith("@example.org") for address in told)
