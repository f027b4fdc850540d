"""What follows a certificate goes its way through all services: an audit of another kind, its decision, its notices."""

from collections.abc import Callable
from typing import Any

from touchstone_devkit.demo.register import OPERATOR, SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.demo.worlds import World
from touchstone_devkit.eventually import eventually
from touchstone_testing.life import STEPS, life


def test_a_certificate_lives_by_its_audits_and_everybody_is_told_of_each_change_once(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world("a minor, plan approved")
    number = scheme.travel(world).certificate["number"]  # type: ignore[index]

    for report, event, status in life(world):
        answer = scheme.register.call(world.body, "assessment.submit_audit_report", report=report)
        audit_id = answer["audit_id"]
        scheme.register.call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)
        told = eventually(lambda id=audit_id: sent(scheme, id, wanted=len(world.contact_ids)), within_s=30)

        case = scheme.register.call(SECRETARIAT, "certification.get_case", case_id=audit_id)
        shown = scheme.register.call(None, "certification.verify_certificate", number=number)
        assert (case["certificate_number"], shown["status"]) == (number, status), event
        assert shown["valid"] == (status == "valid")
        assert sorted((n["contact_id"], n["type"]) for n in told) == sorted((id, event) for id in world.contact_ids)

    certificate = scheme.register.call(None, "certification.get_certificate", number=number)
    assert (certificate["certificate_version"], certificate["status"]) == (2, STEPS[-1][-1])


def sent(scheme: Scheme, audit_id: str, *, wanted: int) -> list[dict[str, Any]]:
    """The notices on an audit, once as many as wanted were sent."""
    found = scheme.register.every(OPERATOR, "notification.list_notices", audit_id=audit_id)
    done = [notice for notice in found if notice["state"] == "sent"]
    return done if len(done) >= wanted else []
