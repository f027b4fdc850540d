"""Gives an example case ids of its own, so that many runs can share one system, and tells a system about them."""

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

from touchstone_devkit.demo.cases import Case, addresses_to_tell, load_cases, load_setup
from touchstone_devkit.demo.register import REGISTRAR, SECRETARIAT, Register, Speaker, assessor, member

_ID_FIELDS = ("member_id", "entity_id", "facility_id", "contact_id", "body_id", "auditor_id")
SPEAKERS = {"registrar": REGISTRAR, "secretariat": SECRETARIAT}


@dataclasses.dataclass(frozen=True)
class World:
    """A case with its member, body, auditors and people, all with ids that nobody else uses.

    Shared with every other world are only the mandate and the Secretariat's people.
    """

    case: Case
    setup: dict[str, Any]

    @property
    def body(self) -> Speaker:
        return assessor(self.case.body_id)

    @property
    def member(self) -> Speaker:
        return member(self.case.member_id)

    @property
    def contact_ids(self) -> set[str]:
        """Everyone who must hear of a decision."""
        told = addresses_to_tell(self.setup, self.case)
        return {c["contact_id"] for c in self.setup["contacts"] if c["address"] in told}

    def report(self, **changes: Any) -> dict[str, Any]:
        """A copy of the case's report, with fields changed."""
        return copy.deepcopy(self.case.report) | changes

    def conforming(self, **changes: Any) -> dict[str, Any]:
        """The report without its non-conformities."""
        report = self.report(**changes)
        report["findings"] = [_conforming(finding) for finding in report["findings"]]
        return report


def a_world(title: str, suffix: str) -> World:
    """The example case `title` and what it needs, each id with `-<suffix>` at its end."""
    case = next(case for case in load_cases() if case.title == title)
    return with_own_ids(World(case, _needed_by(case, load_setup())), suffix)


def with_own_ids(world: World, suffix: str) -> World:
    """The same world, every id of its own with `-<suffix>` at its end, the report's number included."""
    case, setup = world.case, world.setup
    parts = [item for name in ("members", "entities", "facilities", "bodies", "auditors") for item in setup[name]]
    own_contacts = [c for c in setup["contacts"] if c["party"]["kind"] != "secretariat"]
    ids = {item[field] for item in [*parts, *own_contacts] for field in _ID_FIELDS if field in item}
    renamed = {id: f"{id}-{suffix}" for id in ids} | {
        f"{c['contact_id']}@example.org": f"{c['contact_id']}-{suffix}@example.org" for c in own_contacts
    }
    report = _renamed(case.report, renamed) | {"report_id": f"{case.report['report_id']}-{suffix}"}
    return World(dataclasses.replace(case, report=report), _renamed(setup, renamed))


def stage(register: Register, world: World) -> None:
    """Tell the system about everything in `world`."""
    set_up(register, world.setup)


def before_joining(world: World) -> World:
    """The world while its organisation is entered, with its sites, and is no member yet; nobody is told for it."""
    entered = [{name: v for name, v in one.items() if name != "joined_on"} for one in world.setup["members"]]
    others = [contact for contact in world.setup["contacts"] if contact["party"]["kind"] != "member"]
    return dataclasses.replace(world, setup=world.setup | {"members": entered, "contacts": others})


def set_up(register: Register, setup: dict[str, Any]) -> int:
    """Send everything in `setup`, in its order; the number of commands. Once sent, sending it again changes nothing."""
    commands = list(_commands(setup))
    for role, method, arguments, key in commands:
        register.call(SPEAKERS[role], method, key=f"setup-{key}", **arguments)
    return len(commands)


def _commands(setup: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """Role, method, arguments and key of each command, in the order in which they must be sent."""
    for joining in setup["members"]:
        known = {name: value for name, value in joining.items() if name != "joined_on"}
        yield "registrar", "membership.register_organisation", known, f"register-{joining['member_id']}"
        if "joined_on" in joining:
            joined = {"member_id": joining["member_id"], "joined_on": joining["joined_on"]}
            yield "registrar", "membership.activate", joined, f"activate-{joining['member_id']}"
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


def _needed_by(case: Case, setup: dict[str, Any]) -> dict[str, Any]:
    """The parts of the setup that concern one case."""
    parties = {("member", case.member_id), ("body", case.body_id), ("secretariat", "secretariat")}
    entities = [e for e in setup["entities"] if e["member_id"] == case.member_id]
    entity_ids = {entity["entity_id"] for entity in entities}
    team = {person["auditor_id"] for person in case.report["team"]}
    return copy.deepcopy(
        {
            "members": [m for m in setup["members"] if m["member_id"] == case.member_id],
            "entities": entities,
            "facilities": [f for f in setup["facilities"] if f["entity_id"] in entity_ids],
            "contacts": [c for c in setup["contacts"] if (c["party"]["kind"], c["party"]["id"]) in parties],
            "bodies": [b for b in setup["bodies"] if b["body_id"] == case.body_id],
            "auditors": [a for a in setup["auditors"] if a["auditor_id"] in team],
            "mandate": setup["mandate"],
        }
    )


def _renamed(value: Any, renamed: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _renamed(item, renamed) for name, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, renamed) for item in value]
    return renamed.get(value, value) if isinstance(value, str) else value


def _conforming(finding: dict[str, Any]) -> dict[str, Any]:
    if finding["rating"] in ("conformance", "not_applicable"):
        return finding
    return {"criterion": finding["criterion"], "rating": "conformance"}
