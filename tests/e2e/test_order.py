"""What has not come yet is waited for: a member after its audit, contacts after the certificate, a reinstatement."""

from collections.abc import Callable
from typing import Any

from touchstone_contracts.errors import NotFound
from touchstone_devkit.demo.register import OPERATOR, REGISTRAR, SECRETARIAT
from touchstone_devkit.demo.scheme import Scheme, decision_events
from touchstone_devkit.demo.worlds import World, before_joining, stage
from touchstone_devkit.eventually import eventually

TIMEOUT_S = 30
CONFORMING = "a minor, plan approved"


def case_of(scheme: Scheme, audit_id: str) -> dict[str, Any] | None:
    try:
        return scheme.register.call(SECRETARIAT, "certification.get_case", case_id=audit_id)
    except NotFound:
        return None


def without(setup: dict[str, Any], *parts: str) -> dict[str, Any]:
    return {name: [] if name in parts else value for name, value in setup.items()}


def accepted(scheme: Scheme, world: World) -> str:
    call = scheme.register.call
    audit_id = call(world.body, "assessment.submit_audit_report", report=world.report())["audit_id"]
    call(SECRETARIAT, "assessment.accept_audit_report", audit_id=audit_id)
    return audit_id


def test_an_accepted_audit_waits_for_its_member_and_is_then_certified(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, before_joining(world))
    audit_id = accepted(scheme, world)
    waiting = eventually(lambda: case_of(scheme, audit_id), within_s=TIMEOUT_S)
    assert waiting["state"] == "awaiting_member" and not decision_events(scheme.wire_tap, audit_id)  # type: ignore[index]

    stage(scheme.register, world)

    (decision,) = eventually(lambda: decision_events(scheme.wire_tap, audit_id), within_s=TIMEOUT_S)
    assert decision["type"] == "certification.certificate_issued.v1"
    assert decision["data"]["member_name"] == world.setup["members"][0]["legal_name"]


def test_contacts_that_come_after_the_certificate_are_told_once(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    others = [c for c in world.setup["contacts"] if c["party"]["kind"] == "secretariat"]
    stage(scheme.register, World(world.case, world.setup | {"contacts": others}))
    audit_id = accepted(scheme, world)
    eventually(lambda: decision_events(scheme.wire_tap, audit_id), within_s=TIMEOUT_S)

    first_of_member, first_of_body = (
        next(c for c in world.setup["contacts"] if c["party"]["kind"] == kind) for kind in ("member", "body")
    )
    for contact in (first_of_member, first_of_body):
        scheme.register.call(REGISTRAR, "membership.set_contact", **contact)

    expected = {c["contact_id"] for c in (*others, first_of_member, first_of_body)}

    def told() -> bool:
        notices = scheme.register.every(OPERATOR, "notification.list_notices", audit_id=audit_id, state="sent")
        assert len({n["contact_id"] for n in notices}) == len(notices)
        return {n["contact_id"] for n in notices} == expected

    eventually(told, within_s=TIMEOUT_S)


def test_a_suspended_member_is_certified_once_it_is_reinstated(
    scheme: Scheme, new_world: Callable[[str], World]
) -> None:
    world = new_world(CONFORMING)
    stage(scheme.register, world)
    scheme.register.call(SECRETARIAT, "membership.suspend", member_id=world.case.member_id, reasons=["Fee overdue."])
    eventually(
        lambda: any(
            m["type"] == "membership.membership_suspended.v1" and m["subject"] == world.case.member_id
            for m in scheme.wire_tap.messages
        ),
        within_s=TIMEOUT_S,
    )
    audit_id = accepted(scheme, world)
    held = eventually(lambda: decision_events(scheme.wire_tap, audit_id), within_s=TIMEOUT_S)

    scheme.register.call(SECRETARIAT, "membership.reinstate", member_id=world.case.member_id)

    assert [d["type"] for d in held] == ["certification.certification_held.v1"]
    eventually(lambda: scheme.wire_tap.about(audit_id, "certification.certificate_issued.v1"), within_s=TIMEOUT_S)
