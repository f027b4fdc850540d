"""Puts a walk into the few words that the picture shows, and keeps them in a file."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from walking.counting import package
from walking.running import STEPS, Call, Step

PATH = Path(__file__).with_name("walk.json")


def described(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Of each step what it begins with, its packages with their modules, and what it wrote, published and scheduled."""
    return [
        {
            "step": step.name,
            "service": STEPS[step.name][0],
            STEPS[step.name][1]: STEPS[step.name][2],
            "packages": _packages(step.calls),
            "transactions": [sorted(collections) for collections in step.transactions],
            "published": sorted(step.published),
            "scheduled": sorted(step.scheduled),
        }
        for step in steps
    ]


def modules(step: dict[str, Any]) -> set[str]:
    """Every module of a described step, by its whole name."""
    return {f"{where}.{name}".rstrip(".") for where, names in step["packages"].items() for name in names.split(" ")}


def save(description: Sequence[dict[str, Any]]) -> None:
    PATH.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load() -> list[dict[str, Any]]:
    return json.loads(PATH.read_text(encoding="utf-8"))


def _packages(calls: Iterable[Call]) -> dict[str, str]:
    """In the order in which the walk comes to them; a module that lies in no package is one without modules."""
    found: dict[str, set[str]] = {}
    for call in calls:
        found.setdefault(package(call.module), set()).add(call.module)
    return {
        where: " ".join(sorted(name[len(where) + 1 :] for name in names if name != where))
        for where, names in found.items()
    }
