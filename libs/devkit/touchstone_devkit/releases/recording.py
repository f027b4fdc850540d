"""Collects what the code that is installed promises: its events, what its services take and what they answer."""

import ast
import importlib
import importlib.metadata
import importlib.resources
import inspect
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import touchstone_contracts.document  # noqa: F401 - registers the events
from touchstone.provisioning.provision import installed_topologies
from touchstone_chassis import pagination
from touchstone_chassis.handlers.messages import OnMessage
from touchstone_chassis.rpc.method import Method
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.versions import versions
from touchstone_devkit.releases.describing import describe

_REPORT = "assessment.schemas.report"
FORMS = {
    "assessment": {
        "report": (_REPORT, "ReportSchema"),
        "history": (_REPORT, "HistorySchema"),
        "standard": ("assessment.data.catalogue", "StandardForm"),
    },
    "membership": {"obligations": ("membership.data.obligations", "ObligationsForm")},
    "certification": {"rule_set": ("certification.data.rule_sets", "RuleSetForm")},
}
"""What a method takes as it comes and reads by itself: service, name, and where its schema stands."""
FILES = ("events.json", "services.json")
ONE_LINE_MAX = 110


def recorded() -> dict[str, Any]:
    """Everything: `{"events": ..., "services": ...}`."""
    return {"events": events(), "services": services()}


def events() -> dict[str, Any]:
    """Each registered type: its attributes, whether it is published, and its example."""
    packages = [service for service, _ in service_classes()]
    made = set().union(*(_names_called(package) for package in packages))
    return {name: _event(event, made) for name, event in sorted(REGISTRY.items(), key=lambda item: item[0])}


def _event(event: Any, made: set[str]) -> dict[str, Any]:
    examples = importlib.resources.files("touchstone_contracts") / "examples"
    return {
        "subject": event.subject_field,
        "personal": event.personal,
        "published": _is_published(event, made),
        "attributes": describe(event.schema),
        "example": json.loads((examples / f"{event.type_name}.json").read_text()),
    }


def _is_published(event: Any, made: set[str]) -> bool:
    """By code that makes it, or as the copy of a newer version."""
    newer = [e for e in REGISTRY.values() if event in versions(e)[1:]]
    between = [v for e in newer for v in versions(e) if v.version > event.version]
    return event.__name__ in made or (bool(newer) and all(hasattr(version, "downcast") for version in between))


def services() -> dict[str, Any]:
    """Each installed service: what it consumes in which versions, what it takes from callers, what it answers."""
    consumed = {t.service: [[v.type_name for v in versions(e)] for e in t.consumes] for t in installed_topologies()}
    found = {}
    for name, service in service_classes():
        entrypoints = list(_entrypoints(service))
        methods = {n: {"changes": e.changes, **_taken(e)} for n, e in entrypoints if isinstance(e, Method)}
        of_methods = {f"{n}()": k for n in methods if (k := returned(service, n))}
        found[name] = {
            "consumes": sorted(consumed[name]),
            "methods": methods,
            "messages": {e.queue: _taken(e) for _, e in entrypoints if isinstance(e, OnMessage)},
            "forms": {form: {"arguments": describe(_form(*place))} for form, place in FORMS.get(name, {}).items()},
            "answers": answers(name) | {"page": sorted(_of_a_page())} | of_methods,
        }
    return found


def service_classes() -> list[tuple[str, Any]]:
    """Name and class of each service that is installed."""
    found = importlib.metadata.entry_points(group="touchstone.services")
    return [(entry.name, entry.load()) for entry in sorted(found, key=lambda entry: entry.name)]


def _entrypoints(service: Any) -> Iterator[tuple[str, Any]]:
    for name, method in inspect.getmembers(service, inspect.isfunction):
        for entrypoint in getattr(method, "nameko_entrypoints", ()):
            yield name, entrypoint


def _taken(entrypoint: Any) -> dict[str, Any]:
    return {"roles": sorted(entrypoint.roles), "arguments": describe(entrypoint.schema)}


def _form(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)()


def answers(service: str) -> dict[str, list[str]]:
    """The field names that each function of a service's presenters writes into a dictionary, as its text says."""
    package = Path(str(importlib.import_module(service).__file__)).parent
    texts = [path.read_text() for path in package.glob("presenters/*.py")]
    functions = [node for text in texts for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return {f.name: sorted(names) for f in functions if (names := set(_keys(f)))}


def returned(service: Any, method: str) -> list[str]:
    """The field names in the dictionaries that stand behind a method's `return`, a page's for one that calls `page`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(service, method)))))
    return sorted({key for node in ast.walk(tree) if isinstance(node, ast.Return) for key in _keys(node)})


def _keys(part: ast.AST) -> Iterator[str]:
    for node in ast.walk(part):
        if isinstance(node, ast.Dict):
            yield from (k.value for k in node.keys if isinstance(k, ast.Constant) and isinstance(k.value, str))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == pagination.page.__name__:
            yield from _of_a_page()


def _of_a_page() -> Iterator[str]:
    return _keys(ast.parse(inspect.getsource(pagination.page)))


def _names_called(package: str) -> set[str]:
    folder = Path(str(importlib.import_module(package).__file__)).parent
    calls = [n for p in folder.rglob("*.py") for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.Call)]
    return {c.func.id if isinstance(c.func, ast.Name) else getattr(c.func, "attr", "") for c in calls}


def write(folder: Path) -> None:
    """A new release's record in `folder`. Raises FileExistsError: a record never changes."""
    parts = recorded().values()
    folder.mkdir(parents=True)
    for name, part in zip(FILES, parts, strict=True):
        (folder / name).write_text(_written(part) + "\n")


def _written(value: Any, indent: str = "") -> str:
    """As JSON, small objects and lists in one line: a line for each attribute, so that a difference is easy to read."""
    inner = indent + " "
    if isinstance(value, dict) and value:
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_written(value[key], inner)}" for key in sorted(value)]
        opening, closing = "{", "}"
    elif isinstance(value, (list, tuple)) and value:
        parts = [_written(one, inner) for one in value]
        opening, closing = "[", "]"
    else:
        return json.dumps(value, ensure_ascii=False)
    one_line = ", ".join(parts)
    if len(one_line) <= ONE_LINE_MAX and not set(one_line) & set("[]{}\n"):
        return f"{opening}{one_line}{closing}"
    lines = f",\n{inner}".join(parts)
    return f"{opening}\n{inner}{lines}\n{indent}{closing}"


def read(folder: Path) -> dict[str, Any]:
    """A record as it was written: `{"events": ..., "services": ...}`."""
    return {name.removesuffix(".json"): json.loads((folder / name).read_text()) for name in FILES}
