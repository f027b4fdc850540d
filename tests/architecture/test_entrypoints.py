"""Every way into a service says who may use it, and only the public register is open."""

import importlib
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema
from nameko.rpc import rpc

from touchstone_chassis.api import OperatorApi, command, on_event, on_message, query
from touchstone_chassis.deadletters.consumer import OnDeadLetter
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.handlers.messages import OnMessage
from touchstone_chassis.rpc.method import Method
from touchstone_chassis.scheduling.entrypoint import OnJob
from touchstone_contracts import roles
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.services import SERVICES

ROOT = Path(__file__).parents[2]
CALLED = (Method, OnMessage)
INTERNAL = (OnEvent, OnJob, OnDeadLetter)
PUBLIC_QUERIES = {
    "certification.get_certificate",
    "certification.verify_certificate",
    "certification.list_certificates",
}


FOLLOWED = {"find_events", "trace_events", "list_hindrances", "list_unfinished"}
"""What whoever follows a case asks of every service; the rest of the operator's API is the operator's alone."""


def service_class(name: str) -> Any:
    """The class that the package offers under the entry point `touchstone.services`."""
    project = tomllib.loads((ROOT / "services" / name / "pyproject.toml").read_text())["project"]
    module, _, attribute = project["entry-points"]["touchstone.services"][name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def entrypoints(service: Any) -> Iterator[tuple[str, Any]]:
    """Each entrypoint of a service class with the name of its method."""
    for name, method in inspect.getmembers(service, inspect.isfunction):
        for entrypoint in getattr(method, "nameko_entrypoints", ()):
            yield f"{service.name}.{name}", entrypoint


def may_ask(method: str) -> set[str]:
    if method in FOLLOWED:
        return set(roles.FOLLOWERS)
    return {roles.OPERATOR} if hasattr(OperatorApi, method) else {*roles.ALL, *roles.PUBLIC}


def problems(service: Any) -> list[str]:
    """Entrypoints of no known kind, those that name no role or a wrong one, and those open beside the register's."""
    found = []
    for name, entrypoint in entrypoints(service):
        if isinstance(entrypoint, INTERNAL):
            continue
        named = set(entrypoint.roles) if isinstance(entrypoint, CALLED) else None
        if named is None:
            found.append(f"{name} is a {type(entrypoint).__name__}, which asks nobody who they are")
        elif not named:
            found.append(f"{name} names no role")
        elif named & set(roles.PUBLIC) and name not in PUBLIC_QUERIES:
            found.append(f"{name} is open")
        elif named & set(roles.PUBLIC) and (entrypoint.changes or named != set(roles.PUBLIC)):
            found.append(f"{name} is open and more than a query of the public register")
        elif unknown := named - set(roles.ALL) - set(roles.PUBLIC):
            found.append(f"{name} names {', '.join(sorted(unknown))}, which is no role")
        elif strangers := named - may_ask(name.partition(".")[2]):
            found.append(f"{name} is no business of {', '.join(sorted(strangers))}")
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_every_entrypoint_says_who_may_use_it_and_none_is_open_but_the_public_register(name: str) -> None:
    service = service_class(name)

    assert service.name == name
    assert len(list(entrypoints(service))) >= 2
    assert problems(service) == []


def test_the_public_register_is_open() -> None:
    offered = [pair for service in SERVICES for pair in entrypoints(service_class(service))]

    assert {name for name, entrypoint in offered if getattr(entrypoint, "roles", ()) == roles.PUBLIC} == PUBLIC_QUERIES


@pytest.mark.parametrize("name", SERVICES)
def test_every_event_that_a_topology_names_has_its_entrypoint_and_the_other_way_round(name: str) -> None:
    handled = {
        c.type_name for _, e in entrypoints(service_class(name)) if isinstance(e, OnEvent) for c in e.event_classes
    }
    topology = service_class(name).topology

    assert handled == {event.type_name for event in topology.consumes}


@pytest.mark.parametrize("name", SERVICES)
def test_every_queue_that_a_topology_names_has_its_entrypoint_and_the_other_way_round(name: str) -> None:
    read = {e.queue for _, e in entrypoints(service_class(name)) if isinstance(e, OnMessage)}

    assert read == set(service_class(name).topology.queues)


class Careless:
    """Does everything wrong that can be done wrong."""

    name = "careless"

    @rpc
    def unguarded(self) -> None: ...

    @query(Schema(), roles=roles.PUBLIC)
    def open(self, request: Any, caller: Any) -> None: ...

    @on_event(AuditAccepted)
    def internal(self, event: Any, envelope: Any) -> None: ...


def test_an_unguarded_and_an_open_entrypoint_are_seen() -> None:
    assert problems(Careless) == [
        "careless.open is open",
        "careless.unguarded is a Rpc, which asks nobody who they are",
    ]


def test_an_entrypoint_whose_roles_were_emptied_misspelt_or_widened_is_seen() -> None:
    class Sloppy:
        name = "sloppy"

        @query(Schema(), roles=(roles.MEMBER,))
        def a(self, request: Any, caller: Any) -> None: ...

        @query(Schema(), roles=(roles.MEMBER,))
        def b(self, request: Any, caller: Any) -> None: ...

        @query(Schema(), roles=(roles.OPERATOR, roles.MEMBER))
        def list_dead_letters(self, request: Any, caller: Any) -> None: ...

    dict(entrypoints(Sloppy))["sloppy.a"].roles = ()
    dict(entrypoints(Sloppy))["sloppy.b"].roles = ("secretary",)

    assert problems(Sloppy) == [
        "sloppy.a names no role",
        "sloppy.b names secretary, which is no role",
        "sloppy.list_dead_letters is no business of member",
    ]


@pytest.mark.parametrize("wrong", [(), ("secretary",), (roles.MEMBER, "secretary"), (*roles.PUBLIC, roles.MEMBER)])
def test_an_entrypoint_cannot_even_be_written_without_proper_roles(wrong: tuple[str, ...]) -> None:
    for declare in (command, query):
        with pytest.raises(TypeError):
            declare(Schema(), roles=wrong)
    with pytest.raises(TypeError):
        on_message("some.queue", Schema(), roles=wrong, refused="record")


def test_neither_a_command_nor_a_queue_can_be_public_and_roles_must_be_given() -> None:
    with pytest.raises(TypeError):
        command(Schema(), roles=roles.PUBLIC)
    with pytest.raises(TypeError):
        on_message("some.queue", Schema(), roles=roles.PUBLIC, refused="record")
    with pytest.raises(TypeError):
        command(Schema())  # type: ignore[call-arg]
