"""Tells the register what it must know before reports come in, by the same commands that anybody else uses."""

from collections.abc import Callable, Iterator
from typing import Any

Command = Callable[[str, str, dict[str, Any], str], Any]
"""Called with role, `service.method`, keyword arguments and an idempotency key."""


def set_up(command: Command, setup: dict[str, Any]) -> int:
    """Send everything in `setup`, in its order; the number of commands. Once sent, sending it again changes nothing."""
    sent = 0
    for role, method, arguments, key in commands_of(setup):
        command(role, method, arguments, f"setup-{key}")
        sent += 1
    return sent


def commands_of(setup: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Role, method, arguments and key of each command, in the order in which they must be sent."""
    for member in setup["members"]:
        known = {name: value for name, value in member.items() if name != "joined_on"}
        joined = {"member_id": member["member_id"], "joined_on": member["joined_on"]}
        yield "registrar", "membership.register_organisation", known, f"register-{member['member_id']}"
        yield "registrar", "membership.activate", joined, f"activate-{member['member_id']}"
    for role, method, part, name in (
        ("registrar", "membership.register_entity", "entities", "entity_id"),
        ("registrar", "membership.register_facility", "facilities", "facility_id"),
        ("registrar", "membership.set_contact", "contacts", "contact_id"),
        ("secretariat", "assessment.accredit_body", "bodies", "body_id"),
        ("secretariat", "assessment.register_auditor", "auditors", "auditor_id"),
    ):
        for item in setup[part]:
            yield role, method, item, f"{part}-{item[name]}"
    mandate = setup["mandate"]
    yield "secretariat", "certification.sign_mandate", mandate, mandate["mandate_id"]
