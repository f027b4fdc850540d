"""Every event that somebody waits for is made by the service that owns it, and none is made for nobody by accident."""

import ast
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from touchstone_contracts.events import differences  # registers all others, too
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.services import SERVICES
from touchstone_contracts.topology import ServiceTopology

ROOT = Path(__file__).parents[2]

PUBLISHED_FOR_OUTSIDERS = {
    "membership.organisation_registered.v1": "directories of the scheme's members",
    "membership.entity_registered.v1": "directories of the scheme's members",
    "membership.facility_registered.v1": "directories of the scheme's members",
    "assessment.body_accredited.v1": "directories of certification bodies",
    "assessment.audit_report_submitted.v1": "the answer to a body that submitted by message",
    "assessment.audit_report_refused.v1": "the answer to a body that submitted by message",
    "assessment.audit_report_returned.v1": "a body learns that it must correct a report",
    "assessment.audit_report_waiting.v1": "a body learns that its report still waits for what it names",
    "certification.case_recorded.v1": "copies of the cases, such as a body's own system keeps",
    "certification.certificate_recorded.v1": "copies of the register",
    "membership.obligations_published.v1": "whoever reckons by when a member must be certified",
    "assessment.standard_published.v1": "directories of the scheme's standards",
    "certification.rule_set_published.v1": "whoever checks a decision by the rules and the hash that it names",
    "notification.notice_sent.v1": "whoever watches that stakeholders were told",
}
"""Types that no service consumes; each with the outsider that it is for."""
RETIRED = {name for name, event in REGISTRY.items() if event.__module__ == differences.__name__}
"""Types that nobody makes any more, on their way out by docs/evolving.md."""


def topology_of(service: str) -> ServiceTopology:
    (offered,) = entry_points(group="touchstone.services", name=service)
    return offered.load().topology


def made_by(package: Path) -> set[str]:
    """Names of the classes that the code of a package calls."""
    calls = [n for p in package.rglob("*.py") for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.Call)]
    return {c.func.id if isinstance(c.func, ast.Name) else getattr(c.func, "attr", "") for c in calls}


def problems(
    topologies: Iterable[ServiceTopology],
    registered: dict[str, Any],
    made: dict[str, set[str]],
    outsiders: Iterable[str],
    retired: Iterable[str] = (),
) -> list[str]:
    """What is consumed and not produced, produced and not wanted, retired or somebody else's.

    `made` maps each service to the names of the classes that its code instantiates.
    """
    found = []
    consumed = {event.type_name: t.service for t in topologies for event in t.consumes}  # type: ignore[attr-defined]
    received = {event.type_name for t in topologies for event in t.receives}  # type: ignore[attr-defined]
    for name, consumer in consumed.items():
        if name not in registered:
            found.append(f"{consumer} consumes {name}, which is not registered")
    for name, event in registered.items():
        makers = {service for service, names in made.items() if event.__name__ in names}
        if event.producer not in makers and name in consumed:
            found.append(f"{consumed[name]} waits for {name}, which {event.producer} never makes")
        found += [f"{maker} makes {name}, which is {event.producer}'s" for maker in sorted(makers - {event.producer})]
        if name in retired:
            found += [f"{name} is retired and {maker} makes it" for maker in sorted(makers)]
        elif name not in received and name not in outsiders:
            found.append(f"{name} is consumed by nobody and published for nobody")
    return found + [f"{name} is listed for outsiders and consumed too" for name in outsiders if name in consumed]


def test_every_consumed_event_is_made_by_its_owner_and_every_event_is_for_somebody() -> None:
    topologies = [topology_of(service) for service in SERVICES]
    made = {service: made_by(ROOT / "services" / service / service) for service in SERVICES}

    assert problems(topologies, REGISTRY, made, PUBLISHED_FOR_OUTSIDERS, RETIRED) == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_topology_bears_its_services_name(service: str) -> None:
    assert topology_of(service).service == service


def an_event(name: str) -> Any:
    return type(name.split(".")[1].title(), (), {"type_name": name, "producer": name.split(".")[0]})


@pytest.fixture
def wanted() -> Any:
    return an_event("maker.Thing.v1")


def test_an_event_that_nobody_registered_is_seen(wanted: Any) -> None:
    topology = ServiceTopology(service="reader", consumes=[wanted])

    assert problems([topology], {}, {}, []) == ["reader consumes maker.Thing.v1, which is not registered"]


def test_an_event_that_its_owner_never_makes_is_seen(wanted: Any) -> None:
    topology = ServiceTopology(service="reader", consumes=[wanted])

    found = problems([topology], {"maker.Thing.v1": wanted}, {"maker": {"Other"}}, [])

    assert found == ["reader waits for maker.Thing.v1, which maker never makes"]


def test_an_event_that_somebody_else_makes_is_seen(wanted: Any) -> None:
    found = problems([], {"maker.Thing.v1": wanted}, {"maker": {"Thing"}, "thief": {"Thing"}}, ["maker.Thing.v1"])

    assert found == ["thief makes maker.Thing.v1, which is maker's"]


def test_an_event_for_nobody_is_seen(wanted: Any) -> None:
    found = problems([], {"maker.Thing.v1": wanted}, {"maker": {"Thing"}}, [])

    assert found == ["maker.Thing.v1 is consumed by nobody and published for nobody"]


def test_a_retired_event_that_is_made_all_the_same_is_seen(wanted: Any) -> None:
    retired = ["maker.Thing.v1"]

    assert problems([], {"maker.Thing.v1": wanted}, {"maker": {"Other"}}, [], retired) == []
    assert problems([], {"maker.Thing.v1": wanted}, {"maker": {"Thing"}}, [], retired) == [
        "maker.Thing.v1 is retired and maker makes it"
    ]


def test_an_event_made_in_code_is_found_by_its_name_or_as_an_attribute_of_its_module(tmp_path: Path) -> None:
    (tmp_path / "store.py").write_text("import events\nevents.ThingLost(id=1)\nThingFound(id=2)\n")

    assert made_by(tmp_path) >= {"ThingLost", "ThingFound"}
