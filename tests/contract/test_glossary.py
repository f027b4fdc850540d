"""The glossary has a term for every package of the chassis, and names no module that is not there."""

import importlib.util
import pkgutil
import re
from collections.abc import Iterable
from pathlib import Path

import touchstone_chassis

PAGE = Path(__file__).parents[2] / "docs" / "glossary.md"
NO_TERMS = {"api"}
"""Names nothing of its own."""


def modules_in(text: str) -> set[str]:
    """Every module of ours that stands in backticks in the terms of the house."""
    terms = text.partition("## Terms of the house")[2]
    return set(re.findall(r"`(touchstone(?:_\w+)?(?:\.\w+)*)`", terms))


def without_a_term(packages: Iterable[str], text: str) -> set[str]:
    """Packages and top modules of the chassis of which the page names neither them nor a module inside."""
    named = {module.split(".")[1] for module in modules_in(text) if module.startswith("touchstone_chassis.")}
    return set(packages) - named - NO_TERMS


def not_there(text: str) -> set[str]:
    return {module for module in modules_in(text) if not _exists(module)}


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def chassis_packages() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(touchstone_chassis.__path__) if module.name != "__main__"]


def test_every_package_of_the_chassis_has_a_term_and_every_module_named_exists() -> None:
    text = PAGE.read_text()

    assert without_a_term(chassis_packages(), text) == set()
    assert not_there(text) == set()


def test_a_package_without_a_term_and_a_module_that_is_not_there_are_seen() -> None:
    text = (
        "`touchstone_chassis.lanes`\n## Terms of the house\n`touchstone_chassis.outbox.relay`, `touchstone_chassis.x.y`"
    )

    assert without_a_term(["outbox", "rpc", "lanes", "api"], text) == {"rpc", "lanes"}
    assert not_there(text) == {"touchstone_chassis.x.y"}
