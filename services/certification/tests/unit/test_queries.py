"""What outsiders may see of cases and of the register, and in which form."""

from typing import Any

import pytest

from certification.schemas.certificates import VerifyCertificate
from certification.schemas.mandates import SignMandate
from touchstone_chassis.validation import load
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import InvalidRequest, NotFound
from touchstone_contracts.values import Scope


def test_a_body_sees_the_cases_of_its_own_audits_and_a_member_its_own(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())
    own = [
        Caller(subject="a", role="assessor", cab="body"),
        Caller(subject="m", role="member", member="smelter"),
        Caller(subject="o", role="operator"),
        Caller(subject="r", role="registrar"),
    ]
    others = [
        Caller(subject="a", role="assessor", cab="other"),
        Caller(subject="m", role="member", member="other"),
    ]

    for caller in own:
        assert ready.call("get_case", {"case_id": "body.r-1"}, caller)["state"] == "decided"
        assert len(ready.call("list_cases", {}, caller)["items"]) == 1
    for caller in others:
        assert ready.call("list_cases", {}, caller)["items"] == []
        with pytest.raises(NotFound):
            ready.call("get_case", {"case_id": "body.r-1"}, caller)


@pytest.mark.parametrize("on", ["2026-W10-1", "20260305", "2026-03-05T00:00:00Z", "2026-02-30", "today"])
def test_a_certificate_is_verified_on_no_day_that_is_written_in_another_way(on: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        load(VerifyCertificate(), {"number": 195, "on": on})

    assert [(e.path, e.code) for e in refused.value.errors] == [("on", "invalid_date")]


@pytest.mark.parametrize(
    ("changed", "path", "code"),
    [
        ({"valid_from": "2026-W10-1"}, "valid_from", "invalid_date"),
        ({"mandate_id": "M 1"}, "mandate_id", "invalid_id"),
        ({"standards": [{"code": "PS\u2028COC", "version": "3.0"}]}, "standards[0].code", "invalid_text"),
        ({"standards": [{"code": "\u3164", "version": "3.0"}]}, "standards[0].code", "blank"),
    ],
)
def test_a_mandate_is_read_as_every_other_request(changed: dict[str, Any], path: str, code: str) -> None:
    days = {"valid_from": "2026-01-01", "valid_until": "2026-12-31"}
    whole = {"rule_set": 1, "standards": [{"code": "PS", "version": "3.0"}], **days}

    with pytest.raises(InvalidRequest) as refused:
        load(SignMandate(), whole | changed)

    assert [(e.path, e.code) for e in refused.value.errors] == [(path, code)]


def test_lists_go_on_from_their_cursor(ready: Any, build: Any) -> None:
    for n in range(5):
        plant = Scope(type="business", text="Works", activities=[f"A{n}"])
        ready.deliver(build.accepted(audit_id=f"body.r-{n}", scope=plant))
    pages: list[list[int]] = []
    cases: list[str] = []

    after = None
    while not pages or after:
        answer = ready.call("list_certificates", {"limit": 2, "after": after}, None)
        pages, after = [*pages, [c["number"] for c in answer["items"]]], answer["next"]
    after = ""
    while after is not None:
        answer = ready.call("list_cases", {"limit": 2, "state": "decided", **({"after": after} if after else {})})
        cases, after = [*cases, *(c["case_id"] for c in answer["items"])], answer["next"]

    assert pages == [[10_001, 10_002], [10_003, 10_004], [10_005]]
    assert cases == [f"body.r-{n}" for n in range(5)]


def test_certificates_are_listed_by_member_standard_and_status(ready: Any, build: Any) -> None:
    ready.deliver(build.accepted())

    def numbers(**wanted: Any) -> list[int]:
        return [c["number"] for c in ready.call("list_certificates", wanted, None)["items"]]

    assert numbers(member_id="smelter") == numbers(standard="PS") == numbers(status="valid") == [10_001]
    assert numbers(member_id="other") == numbers(standard="COC") == numbers(status="expired") == []


@pytest.mark.parametrize(
    ("on", "valid", "status"),
    [
        (None, True, "valid"),
        ("2029-11-21", True, "valid"),
        ("2029-11-22", False, "expired"),
        ("2026-11-21", False, "not_yet_valid"),
    ],
)
def test_a_certificate_is_verified_on_a_day(ready: Any, build: Any, on: str | None, valid: bool, status: str) -> None:
    ready.deliver(build.accepted())

    answer = ready.call("verify_certificate", {"number": 10_001, "on": on}, None)

    assert (answer["valid"], answer["status"], answer["holder"]) == (valid, status, "Smelter AS")
    assert answer["reason"] and answer["on"] == (on or "2026-11-22")


def test_a_number_that_no_certificate_carries_is_answered_as_not_valid(office: Any) -> None:
    answer = office.call("verify_certificate", {"number": 7}, None)

    assert (answer["valid"], answer["status"], answer["holder"]) == (False, "unknown", None)
    with pytest.raises(NotFound):
        office.call("get_certificate", {"number": 7}, None)
