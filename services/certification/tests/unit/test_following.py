"""What follows a certificate, against the table of what is right (`touchstone_testing.following_table`)."""

import datetime
from typing import Any

import pytest

from touchstone_contracts.values import AuditType, Standard
from touchstone_testing import following_table

ROWS = following_table.rows()


@pytest.fixture
def decided(office: Any, build: Any) -> Any:
    """Takes the audits of a row, each on its day, in an office with a member and mandates; the office."""

    def take(text: str) -> Any:
        member_class = following_table.member_class(text)
        office.deliver(build.recorded(joined_on=datetime.date(2018, 6, 1), member_class=member_class))
        office.sign_mandate()
        for sequence, audit in enumerate(following_table.audits(text), start=1):
            office.go_to(audit.decided)
            office.deliver(build.accepted(audit.found, **audit.changed), sequence)
            office.run_due()
        return office

    return take


def told(office: Any, day: datetime.date) -> str:
    case, certificates = office.case("body.r-9"), office.documents("certificates")
    outcome = case["decision"]["outcome"] if case["decision"] else case["waits"]["proposed"] or case["state"]
    before = f"{outcome} {case['row']} {case['reasons'][0]['code']}; "
    if not certificates:
        return before + "none"
    record = certificates[0]["record"]
    (recorded, *_) = [e for e in reversed(office.events("CertificateRecorded")) if e.number == record["number"]]
    state = next(p.state.value for p in recorded.timeline if p.until is None or day <= p.until)
    return before + f"{state} {record['level']} {record['expires_on']} {record['certificate_version']}"


@pytest.mark.parametrize("row", ROWS, ids=[row["input"] for row in ROWS])
def test_what_follows_a_certificate_is_decided_as_the_table_says(row: dict[str, str], decided: Any) -> None:
    office = decided(row["input"])

    assert told(office, following_table.audits(row["input"])[-1].decided) == row["expected"]


def test_every_row_says_what_it_rests_on_and_every_row_of_the_rule_set_is_there(newer_rules: Any) -> None:
    assert all(row["rule"] and (row["source"] in ("judgement", "design") or "http" in row["source"]) for row in ROWS)
    initial = {"0", "1"}
    assert {row["expected"].split()[1] for row in ROWS} >= {row.id for row in newer_rules.rows} - initial - {"5b"}


SUSPENDING, WITHDRAWING = "type=surveillance; critical=1", "type=surveillance; majors=4 approved"
CHANGES = [
    ("certificate=full; type=surveillance", ["CertificateMaintained"]),
    ("certificate=full; type=surveillance; majors=1 submitted", ["CertificateDowngraded"]),
    (f"certificate=full; {SUSPENDING}", ["CertificateSuspended"]),
    (f"certificate=full; {WITHDRAWING}", ["CertificateWithdrawn"]),
    ("certificate=provisional; type=provisional_followup", ["CertificateUpgraded"]),
    ("certificate=full; type=recertification", ["CertificateRenewed"]),
    ("certificate=full; type=scope_change; scope=wider", ["CertificateScopeAmended"]),
    (
        "certificate=full; type=scope_change; scope=wider; majors=1 approved",
        ["CertificateDowngraded", "CertificateScopeAmended"],
    ),
    ("certificate=provisional; type=provisional_followup; majors=1 approved", []),
]


@pytest.mark.parametrize(("text", "names"), CHANGES, ids=[text for text, _ in CHANGES])
def test_each_change_is_told_by_its_event_with_its_reason_and_decider(
    decided: Any, text: str, names: list[str]
) -> None:
    office = decided(text)

    told = [e for name in dict(CHANGED) for e in office.events(name)]
    assert sorted(type(event).__name__ for event in told) == names
    for event in told:
        assert (event.audit_id, event.certificate_id, event.decided_by) == (
            "body.r-9",
            "certificate-10001",
            "rule set 2, mandated by secretariat-1",
        )
        assert (event.effective_on, event.reasons[0].code) == (
            following_table.audits(text)[-1].decided,
            office.case("body.r-9")["reasons"][0]["code"],
        )
    assert office.case("body.r-9")["decision"]["certificate_number"] == (10_001 if names else None)


CHANGED = [(name, 1) for _, names in CHANGES for name in names]


def test_more_than_three_majors_at_a_change_of_scope_go_to_a_person_whatever_the_mandates(decided: Any) -> None:
    office = decided("certificate=full; type=scope_change; scope=wider; majors=4 approved")
    before = office.case("body.r-9")

    office.call("decide_case", {"case_id": "body.r-9"})

    assert (before["state"], before["waits"]["proposed"]) == ("awaiting_decision", "refused")
    assert office.case("body.r-9")["decision"]["decided_by"] == "secretariat-1"


@pytest.mark.parametrize(
    ("text", "state", "valid"),
    [
        ("certificate=full; type=surveillance", "valid", True),
        (f"certificate=full; {SUSPENDING}", "suspended", False),
        (f"certificate=full; {WITHDRAWING}", "withdrawn", False),
    ],
)
def test_the_register_shows_what_became_of_a_certificate_and_what_it_was(
    decided: Any, text: str, state: str, valid: bool
) -> None:
    office = decided(text)

    asked = {
        on: office.call("verify_certificate", {"number": 10_001, "on": on}, None) for on in ("2027-05-31", "2027-06-01")
    }
    listed = {s: [c["number"] for c in office.call("list_certificates", {"status": s}, None)["items"]] for s in STATES}

    assert [(one["status"], one["valid"]) for one in asked.values()] == [("valid", True), (state, valid)]
    assert listed == {s: [10_001] if s == state else [] for s in STATES}
    assert "{" not in asked["2027-06-01"]["reason"]


STATES = ("valid", "suspended", "withdrawn", "expired", "not_yet_valid")


@pytest.mark.parametrize(
    ("text", "expired_on"),
    [
        (f"certificate=full; {WITHDRAWING}", []),
        (f"certificate=full; {SUSPENDING}", ["2029-12-01"]),
        ("certificate=full; type=surveillance; majors=1 submitted", ["2028-05-31"]),
        ("certificate=full; type=recertification", ["2030-05-31"]),
        ("certificate=provisional; type=provisional_followup", ["2030-05-31"]),
    ],
)
def test_a_certificate_expires_once_after_the_last_day_that_it_has_then(
    decided: Any, text: str, expired_on: list[str]
) -> None:
    office = decided(text)

    office.go_to(datetime.date(2031, 1, 1))
    office.run_due()

    assert [event.expired_on.isoformat() for event in office.events("CertificateExpired")] == expired_on


def test_a_suspended_performance_certificate_is_none_for_the_chain_of_custody(decided: Any, build: Any) -> None:
    office = decided(f"certificate=full; {SUSPENDING}")
    custody = Standard(code="COC", version="2.0")

    office.deliver(build.accepted(audit_id="body.r-10", standard=custody))

    assert office.case("body.r-10")["reasons"][0]["code"] == "ps_certificate_missing"


def test_a_surveillance_that_comes_before_its_certificate_is_decided_once_that_is_there(
    office: Any, build: Any
) -> None:
    office.deliver(build.recorded())
    office.sign_mandate()
    office.go_to(datetime.date(2027, 6, 1))
    office.deliver(build.accepted(audit_id="body.r-9", audit_type=AuditType.SURVEILLANCE))
    before = office.case("body.r-9")["state"]

    office.deliver(build.accepted())
    office.run_due()

    assert (before, office.case("body.r-9")["decision"]["outcome"]) == ("held", "maintained")


def test_a_withdrawn_certificate_makes_room_for_a_new_one(decided: Any, build: Any) -> None:
    office = decided(f"certificate=full; {WITHDRAWING}")

    office.deliver(
        build.accepted(
            audit_id="body.r-10", scope=following_table.audits("certificate=none; type=initial")[0].changed["scope"]
        )
    )

    assert office.case("body.r-10")["decision"]["certificate_number"] == 10_002
