"""What follows a certificate goes its way through all services: an audit of another kind, its decision, its notices."""

from collections.abc import Callable
from typing import Any

import pytest

from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World
from touchstone_devkit.eventually import eventually

CLEAN = {"audit_type": "surveillance", "recommendation": "maintain"}
BREACHED = {"audit_type": "surveillance", "recommendation": "suspend"}


def surveyed(world: World, *, breach: bool) -> dict[str, Any]:
    """A surveillance report on the example's scope: clean, or with a critical breach."""
    given = BREACHED if breach else CLEAN
    report = world.conforming(report_id=f"{world.case.report['report_id']}-surveillance", **given)
    if breach:
        rated = next(finding for finding in report["findings"] if finding["rating"] == "conformance")
        rated |= {"rating": "critical_breach", "comment": "Forced labour was found.", "plan": {"state": "none"}}
    return report


@pytest.mark.parametrize(
    ("breach", "status", "event"),
    [(False, "valid", "certificate_maintained"), (True, "suspended", "certificate_suspended")],
    ids=["clean", "critical breach"],
)
def test_a_surveillance_is_decided_on_the_certificate_and_everybody_is_told_once(
    scheme: Scheme, new_world: Callable[[str], World], breach: bool, status: str, event: str
) -> None:
    world = new_world("a minor, plan approved")
    number = scheme.travel(world).certificate["number"]  # type: ignore[index]

    submitted = scheme.register.call(
        world.body, "assessment.submit_audit_report", report=surveyed(world, breach=breach)
    )
    audit_id = submitted["audit_id"]
    scheme.register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)

    case = eventually(lambda: decided(scheme, audit_id), within_s=30)
    assert case["certificate_number"] == number
    shown = scheme.register.call(None, "certification.verify_certificate", number=number)
    assert (shown["status"], shown["valid"]) == (status, not breach)
    told = eventually(lambda: notices(scheme, event, audit_id, wanted=len(world.contact_ids)), within_s=30)
    assert sorted(n["contact_id"] for n in told) == sorted(world.contact_ids)


def decided(scheme: Scheme, audit_id: str) -> dict[str, Any] | None:
    cases = scheme.register.every(SECRETARIAT, "certification.list_cases", state="decided")
    return next((case for case in cases if case["case_id"] == audit_id), None)


def notices(scheme: Scheme, event: str, audit_id: str, *, wanted: int) -> list[dict[str, Any]]:
    """All of that kind about the audit, once as many as wanted were sent."""
    found = scheme.register.every(OPERATOR, "notification.list_notices", audit_id=audit_id)
    sent = [notice for notice in found if notice["type"] == event and notice["state"] == "sent"]
    return sent if len(sent) >= wanted else []
