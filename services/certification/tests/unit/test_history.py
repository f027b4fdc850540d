"""Imported history comes out as it was published, and tells nobody unless asked to."""

import datetime
from typing import Any

import pytest

from touchstone_contracts.values import History, Place, Scope, Standard

PUBLISHED = {
    56: ("Aludium Premium Aluminium", "Alicante", "ES", "DNV GL", "2019-10-18", "2019-12-13", "2022-12-12"),
    113: ("Shangqiu Yangguang Aluminium Product", "Shangqiu", "CN", "DNV GL", "2020-11-19", "2021-01-18", "2024-01-17"),
    195: ("Qatar Aluminium (QATALUM)", "Mesaieed", "QA", "DNV UK", "2021-12-16", "2022-04-11", "2025-04-10"),
}
"""Fields of public certificates; the last day on site of 113 is not published."""


def imported(build: Any, published: int, **history: Any) -> Any:
    _, entity, country, body, audited_until, issued_on, _ = PUBLISHED[published]
    told = {"issued_on": datetime.date.fromisoformat(issued_on), "number": published, "source": "published", **history}
    return build.accepted(
        audit_id=f"import.{published}",
        member_id=f"member-{published}",
        standard=Standard(code="PS", version="2.0"),
        standard_open_from=datetime.date(2017, 12, 1),
        standard_open_until=datetime.date(2023, 6, 1),
        entity=Place(id=f"entity-{published}", name=entity, country=country),
        scope=Scope(type="facility", text="As published", activities=["CST"]),
        body_name=body,
        submitted_by="registrar-1",
        accepted_by="import",
        audited_until=datetime.date.fromisoformat(audited_until),
        history=History(**told),
    )


def member_of(build: Any, number: int) -> Any:
    return build.recorded(member_id=f"member-{number}", legal_name=PUBLISHED[number][0])


@pytest.mark.parametrize("number", PUBLISHED)
def test_every_published_field_comes_out_as_published_without_any_mandate(office: Any, build: Any, number: int) -> None:
    holder, entity, country, body, _, issued_on, expires_on = PUBLISHED[number]

    office.deliver(member_of(build, number))
    office.deliver(imported(build, number))

    certificate = office.call("get_certificate", {"number": number}, None)
    assert (certificate["member_name"], certificate["body_name"]) == (holder, body)
    assert (certificate["entity"]["name"], certificate["entity"]["country"]) == (entity, country)
    assert (certificate["issued_on"], certificate["expires_on"]) == (issued_on, expires_on)
    assert (certificate["certified_since"], certificate["level"]) == (issued_on, "full")
    assert (certificate["standard"], certificate["status"]) == ({"code": "PS", "version": "2.0"}, "expired")
    assert certificate["decided_by"] == "import by registrar, rule set 1"


@pytest.mark.parametrize("notify", [False, True])
def test_stakeholders_are_told_of_an_import_only_where_the_registrar_says_so_and_never_of_its_old_end(
    office: Any, build: Any, notify: bool
) -> None:
    office.deliver(member_of(build, 56))
    office.deliver(imported(build, 56, notify=notify))
    office.run_due()

    issued, expired = office.events()

    assert (issued.notify, expired.notify) == (notify, False)
    assert (type(expired).__name__, expired.expired_on) == ("CertificateExpired", datetime.date(2022, 12, 12))


def test_certified_since_is_kept_as_published(office: Any, build: Any) -> None:
    office.deliver(member_of(build, 56))
    office.deliver(imported(build, 56, certified_since=datetime.date(2016, 12, 13)))

    assert office.certificates()[0]["certified_since"] == "2016-12-13"


def test_a_published_number_that_is_taken_holds_the_second_import(office: Any, build: Any) -> None:
    for number in (56, 195):
        office.deliver(member_of(build, number))
    office.deliver(imported(build, 56))
    office.deliver(imported(build, 195, number=56))

    case = office.case("import.195")

    assert [reason["code"] for reason in case["reasons"]] == ["number_taken"]
    assert [c["number"] for c in office.certificates()] == [56]


def test_numbers_of_the_registers_own_stay_above_imported_ones(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.recorded())
    office.deliver(member_of(build, 56))
    office.deliver(imported(build, 56, number=12_000))

    office.deliver(build.accepted())

    assert [c["number"] for c in office.certificates()] == [12_000, 12_001]


def test_a_member_that_is_suspended_today_does_not_undo_its_history(office: Any, build: Any) -> None:
    suspended = build.suspended(datetime.date(2026, 1, 1), member_id="member-56")
    office.deliver(member_of(build, 56))
    office.deliver(suspended, sequence=2)

    office.deliver(imported(build, 56))

    assert [c["number"] for c in office.certificates()] == [56]


def test_an_import_that_was_over_does_not_meet_the_certificate_of_today(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.recorded())
    office.deliver(build.accepted())
    today = build.accepted()
    past = History(issued_on=datetime.date(2023, 1, 26), number=300, source="published")

    office.deliver(
        build.accepted(
            audit_id="import.300",
            history=past,
            audited_until=datetime.date(2022, 12, 1),
            entity=today.entity,
            accepted_by="import",
        )
    )

    assert [(c["number"], c["status"]) for c in office.certificates()] == [(300, "expired"), (10_001, "valid")]


def test_an_import_that_is_still_valid_meets_the_certificate_of_today(office: Any, build: Any) -> None:
    office.sign_mandate()
    office.deliver(build.recorded())
    office.deliver(build.accepted())
    past = History(issued_on=datetime.date(2026, 10, 20), number=300, source="published")

    office.deliver(build.accepted(audit_id="import.300", history=past, accepted_by="import"))

    assert [reason["code"] for reason in office.case("import.300")["reasons"]] == ["certificate_exists"]


def test_history_without_a_number_gets_one_from_the_sequence(office: Any, build: Any) -> None:
    office.deliver(build.recorded())
    history = History(issued_on=datetime.date(2026, 11, 1), source="published")

    office.deliver(build.accepted(history=history, accepted_by="import", submitted_by="registrar-1"))

    assert [c["number"] for c in office.certificates()] == [10_001]
