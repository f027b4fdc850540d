"""Lists every entrypoint of every service, and reads from the services' metrics which of them have worked."""

import re
import urllib.request
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Any

from touchstone_chassis.deadletters.consumer import OnDeadLetter
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.handlers.messages import OnMessage
from touchstone_chassis.rpc.method import Method
from touchstone_chassis.scheduling.entrypoint import OnJob
from touchstone_contracts.topology import event_queue

_SAMPLE = re.compile(r"(\w+)\{([^}]*)\} ([0-9.e+]+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def entrypoints() -> dict[str, Any]:
    """The entrypoints of all installed services by name, `service.method`, but what has nothing to tell."""
    return {
        f"{service.name}.{method}": entrypoint
        for offered in entry_points(group="touchstone.services")
        for service in [offered.load()]
        for method in dir(service)
        for entrypoint in getattr(getattr(service, method), "nameko_entrypoints", ())
        if method != "list_facts" or service.reconciliation.facts
    }


def methods() -> dict[str, Method]:
    """Commands and queries by `service.method`."""
    return {name: entrypoint for name, entrypoint in entrypoints().items() if isinstance(entrypoint, Method)}


def worked(http_uris: Mapping[str, str]) -> set[str]:
    """Names of the entrypoints that have done what they are for, since these processes were started."""
    seen = {service: _samples(uri) for service, uri in http_uris.items()}
    return {name for name, entrypoint in entrypoints().items() if _has_worked(name, entrypoint, seen)}


def _has_worked(name: str, entrypoint: Any, seen: Mapping[str, list[tuple[str, dict[str, str]]]]) -> bool:
    service, _, method = name.partition(".")
    samples = seen[service]
    if isinstance(entrypoint, Method):
        return ("touchstone_rpc_requests_total", {"method": method, "outcome": "ok"}) in samples
    if isinstance(entrypoint, OnJob):
        return ("touchstone_deadlines_run_total", {"kind": entrypoint.kind, "outcome": "handled"}) in samples
    if isinstance(entrypoint, OnDeadLetter):
        return ("touchstone_dead_letters_kept_total", {"service": service}) in samples
    queues: list[str] = []
    if isinstance(entrypoint, OnEvent):
        queues = [event_queue(service, event.type_name) for event in entrypoint.event_classes]
    if isinstance(entrypoint, OnMessage):
        queues = [entrypoint.queue]
    assert queues, f"nobody here knows how to tell that {name} has worked: {type(entrypoint).__name__}"
    handled = {
        labels["queue"]
        for kind, labels in samples
        if kind == "touchstone_messages_handled_total" and labels["outcome"] not in _IN_VAIN
    }
    return handled.issuperset(queues)


_IN_VAIN = ("dead_lettered", "retried", "put_off", "repeated")


def _samples(uri: str) -> list[tuple[str, dict[str, str]]]:
    """Names and labels of counters that are not zero."""
    with urllib.request.urlopen(f"{uri}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return [(name, dict(_LABEL.findall(labels))) for name, labels, value in _SAMPLE.findall(text) if float(value) > 0]


def missing(called: Iterable[str]) -> list[str]:
    """The entrypoints that are not among those."""
    return sorted(set(entrypoints()) - set(called))
