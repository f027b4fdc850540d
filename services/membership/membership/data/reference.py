"""Reads membership classes and supply chain activities from their data files."""

import functools
import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

from membership.domain.organisations.obligations import ClassRule


def _read(name: str) -> dict[str, Any]:
    return json.loads(importlib.resources.files(__package__).joinpath(name).read_text("utf-8"))


@functools.cache
def class_rules() -> Mapping[str, ClassRule]:
    """The rule of each membership class by its code."""
    return {
        row["code"]: ClassRule(
            code=row["code"],
            name=row["name"],
            group=row["group"],
            must_be_certified=row["must_be_certified"],
            certification_due_years=row["certification_due_years"],
        )
        for row in _read("classes.json")["classes"]
    }


@functools.cache
def activity_codes() -> tuple[str, ...]:
    """The codes of all supply chain activities."""
    return tuple(row["code"] for row in _read("activities.json")["activities"])
