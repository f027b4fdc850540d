"""Certificates: soundness, status by date, expiry told once, and what makes two scopes the same."""

import dataclasses
import datetime
from typing import Any

import pytest

from certification.domain.certificates.certificate import Status, issue
from certification.domain.certificates.record import UnsoundCertificate, scope_key
from certification.storage.certificates import Certificates
from touchstone_contracts.events.certification import CertificateExpired, CertificateIssued
from touchstone_contracts.values import Place, Scope

FIRST, LAST = datetime.date(2026, 11, 22), datetime.date(2029, 11, 21)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "status"),
    [
        (FIRST - DAY, Status.NOT_YET_VALID),
        (FIRST, Status.VALID),
        (LAST, Status.VALID),
        (LAST + DAY, Status.EXPIRED),
    ],
)
def test_the_status_is_computed_from_the_dates(build: Any, day: datetime.date, status: Status) -> None:
    certificate, _ = issue(build.record(), today=FIRST)

    assert certificate.status_on(day) is status


def test_issuing_announces_what_is_on_record(build: Any) -> None:
    certificate, (announced,) = issue(build.record(), today=FIRST)

    assert isinstance(announced, CertificateIssued)
    assert (certificate.id, announced.certificate_id) == ("certificate-10001", "certificate-10001")
    assert (announced.issued_on, announced.expires_on, announced.scope_text) == (FIRST, LAST, "Smelter")


def test_expiry_is_told_once_and_not_before_the_last_day_has_passed(build: Any) -> None:
    certificate, _ = issue(build.record(), today=FIRST)

    on_the_last_day = certificate.expire(LAST)
    after_it = certificate.expire(LAST + DAY)
    again = certificate.expire(LAST + DAY)

    assert (on_the_last_day, again) == ([], [])
    assert [type(event) for event in after_it] == [CertificateExpired]
    assert after_it[0].notify and not certificate.open


def test_nobody_is_told_of_the_end_of_a_certificate_that_had_lapsed_when_it_was_entered(build: Any) -> None:
    certificate, _ = issue(build.record(), today=LAST + DAY)

    (event,) = certificate.expire(LAST + DAY)

    assert not certificate.open and not event.notify


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": 0},
        {"expires_on": FIRST - DAY},
        {"certified_since": FIRST + DAY},
        {"decided_by": ""},
        {"member_name": ""},
    ],
)
def test_a_record_that_contradicts_itself_is_not_issued(build: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(UnsoundCertificate):
        issue(build.record(**wrong), today=FIRST)


def test_a_certificate_that_is_not_what_was_planned_is_not_entered(build: Any, office: Any) -> None:
    _, unit = office.begin()
    certificate, events = issue(build.record(), today=FIRST)
    planned = build.record(expires_on=LAST + DAY)

    with pytest.raises(UnsoundCertificate):
        Certificates(unit).enter(certificate, planned, events)


def test_a_certificate_comes_back_from_its_document_as_it_was(build: Any, office: Any) -> None:
    _, unit = office.begin()
    certificate, events = issue(build.record(source="published", notify=False), today=FIRST)

    Certificates(unit).enter(certificate, certificate.record, events)
    office.commit(unit)

    assert Certificates(unit).by_number(10_001) == dataclasses.replace(certificate, version=1)


def a_scope(**changed: Any) -> Scope:
    places = [Place(id=id, name=id, country="NO") for id in ("plant-b", "plant-a")]
    return Scope(**({"type": "facility", "text": "Smelter", "activities": ["SML"], "facilities": places} | changed))


def test_the_same_facilities_in_other_words_are_the_same_scope() -> None:
    other = a_scope(text="The smelter", activities=["SML", "CST"], facilities=list(reversed(a_scope().facilities)))

    assert scope_key(other) == scope_key(a_scope()) == "facility|plant-a|plant-b"


def test_scopes_without_facilities_are_told_apart_by_activities_and_products_by_their_words() -> None:
    assert scope_key(a_scope(facilities=[])) == "facility|SML"
    assert scope_key(a_scope(type="product_program", text="Low  carbon")) != scope_key(
        a_scope(type="product_program", text="Cans")
    )
    assert scope_key(a_scope(type="product_program", text="Low  carbon")) == scope_key(
        a_scope(type="product_program", text="low carbon")
    )
