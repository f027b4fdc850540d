"""Reads membership classes and supply chain activities from their data files."""

import functools
import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

from membership.domain.organisations.obligations import MemberClass


def _read(name: str) -> dict[str, Any]:
    return json.loads(importlib.resources.files(__package__).joinpath(name).read_text("utf-8"))


@functools.cache
def member_classes() -> Mapping[str, MemberClass]:
    """The membership classes by their codes."""
    return {
        row["code"]: MemberClass(code=row["code"], name=row["name"], group=row["group"])
        for row in _read("classes.json")["classes"]
    }


@functools.cache
def activity_codes() -> tuple[str, ...]:
    """The codes of all supply chain activities."""
    return tuple(row["code"] for row in _read("activities.json")["activities"])
