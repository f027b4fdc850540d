"""The picture of the data flow is what was put down of a walk, and names nothing that the code does not have."""

import copy
import importlib.util
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from walking.describing import load, modules
from walking.drawing import PATH, draw

from touchstone_chassis.handlers.entrypoint import entrypoints_of
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.rpc.method import Method
from touchstone_chassis.scheduling.entrypoint import OnJob
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.services import SERVICES

ROOT = Path(__file__).parents[3]


def service_class(name: str) -> Any:
    (offered,) = entry_points(group="touchstone.services", name=name)
    return offered.load()


def begins(step: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Module and name of each method that the step can begin with."""
    service = service_class(step["service"])
    kinds: dict[str, tuple[type, Any]] = {
        "call": (Method, lambda entrypoint: entrypoint.method_name),
        "event": (OnEvent, lambda entrypoint: {event.type_name for event in entrypoint.event_classes}),
        "job": (OnJob, lambda entrypoint: entrypoint.kind),
    }
    for kind, (entrypoint_class, of) in kinds.items():
        for entrypoint in entrypoints_of(service, entrypoint_class) if kind in step else ():
            if step[kind] == of(entrypoint) or step[kind] in of(entrypoint):
                yield getattr(service, entrypoint.method_name).__module__, entrypoint.method_name


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def problems(steps: Iterable[dict[str, Any]]) -> list[str]:
    """What is drawn and not so: modules, beginnings, and events that another one makes, or nobody in time."""
    found, before = [], {"event": set(), "job": set()}
    for step in steps:
        name, service = step["step"], step["service"]
        found += [f"{name}: there is no {module}" for module in sorted(modules(step)) if not exists(module)]
        methods = list(begins(step))
        if not methods:
            found.append(f"{name}: {service} has no entrypoint for it")
        elif not {module for module, _method in methods} & modules(step):
            found.append(f"{name}: the method that it begins with is in none of its modules")
        found += [f"{name}: {step[k]} was not there yet" for k in before if k in step and step[k] not in before[k]]
        for event in step["published"]:
            if event not in REGISTRY or REGISTRY[event].producer != service:
                found.append(f"{name}: {event} is no event of {service}")
        before["event"] |= set(step["published"])
        before["job"] |= set(step["scheduled"])
    return found


def wrong_edges(dot: str) -> list[str]:
    """Dashed edges of the overview, which are events, that do not go from their producer to who consumes them."""
    events = {event.__name__: event for event in REGISTRY.values()}
    found = []
    for producer, consumer, names in re.findall(r'(\w+) +-> (\w+) +\[label="([^"]*)", style=dashed', dot):
        consumed = {event.__name__ for event in service_class(consumer).topology.consumes}
        for name in re.findall(r"[A-Z]\w+", names.replace(r"\n", " ")):
            if name not in events or events[name].producer != producer or name not in consumed:
                found.append(f"{producer} -> {consumer}: {name}")
    return found


@pytest.fixture
def steps() -> list[dict[str, Any]]:
    return load()


def test_the_picture_is_drawn_from_what_was_put_down(steps: list[dict[str, Any]]) -> None:
    assert PATH.read_text(encoding="utf-8") == draw(steps), "draw it again: .venv/bin/python tests/flow --redraw"


def test_what_the_picture_names_is_in_the_code(steps: list[dict[str, Any]]) -> None:
    assert problems(steps) == [], "walk and draw it again: .venv/bin/python tests/flow --draw"


def test_every_module_of_the_way_has_its_place_in_the_picture(steps: list[dict[str, Any]]) -> None:
    drawn = re.sub(r"<[^>]*>", " ", PATH.read_text(encoding="utf-8"))

    words = set(re.findall(r"\w+", drawn))

    for step in steps:
        assert {where.partition(".")[2] for where in step["packages"]} <= words
        own = {m.rpartition(".")[2] for m in modules(step) if m.startswith(f"{step['service']}.")}
        assert own <= words


def test_the_overview_names_events_between_those_who_make_and_consume_them() -> None:
    assert wrong_edges((ROOT / "docs" / "flow.dot").read_text()) == []


@pytest.mark.parametrize(
    ("number", "change", "found"),
    [
        (0, {"packages": {"assessment.entrypoints": "audits gone"}}, "there is no assessment.entrypoints.gone"),
        (0, {"packages": {"assessment.domain": ""}}, "the method that it begins with is in none of its modules"),
        (1, {"call": "wave_through"}, "assessment has no entrypoint for it"),
        (1, {"published": ["assessment.lost.v1"]}, "assessment.lost.v1 is no event of assessment"),
        (1, {"published": ["notification.notice_sent.v1"]}, "notification.notice_sent.v1 is no event of assessment"),
        (1, {"published": []}, "assessment.audit_accepted.v1 was not there yet"),
        (3, {"scheduled": []}, "send_notice was not there yet"),
        (2, {"event": "membership.contact_changed.v1"}, "certification has no entrypoint for it"),
    ],
)
def test_what_the_code_does_not_have_is_seen(
    steps: list[dict[str, Any]], number: int, change: dict[str, Any], found: str
) -> None:
    changed = copy.deepcopy(steps)
    changed[number] |= change

    assert any(problem.endswith(found) for problem in problems(changed)), problems(changed)


def test_an_event_between_the_wrong_services_is_seen() -> None:
    dot = 'assessment -> notification [label="AuditAccepted", style=dashed]'

    assert wrong_edges(dot) == ["assessment -> notification: AuditAccepted"]
    assert {"assessment", "notification"} <= set(SERVICES)
