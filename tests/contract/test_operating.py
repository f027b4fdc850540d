"""The page for operators has every key of the configuration, every metric and every check, and names no others."""

import re
from pathlib import Path
from typing import Any

import marshmallow
from prometheus_client.metrics import MetricWrapperBase

from touchstone_chassis.config import ConfigSchema
from touchstone_chassis.observability import metrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()
SOURCES = "\n".join(
    path.read_text()
    for pattern in ("libs/chassis/touchstone_chassis", "libs/client/touchstone", "services")
    for path in sorted((ROOT / pattern).rglob("*.py"))
    if "tests" not in path.parts
)


def table(page: str, head: str) -> list[list[str]]:
    """The rows below a table's head, as cells."""
    lines = page[page.index(f"\n| {head} |") + 1 :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)


def keys_in(page: str) -> dict[str, str]:
    """Key and default."""
    return {names_in(row[0])[0]: row[1] for row in table(page, "key | default | what it is")}


def metrics_in(page: str) -> set[str]:
    return {name for row in table(page, "metric (`/metrics`, Prometheus) | watch") for name in names_in(row[0])}


def checks_in(page: str) -> set[str]:
    return {names_in(row[0])[0] for row in table(page, "check | passes when")}


def signs_in(page: str) -> set[str]:
    """What an operator is told to look for: log events, metrics, checks, codes."""
    found = {name for row in table(page, "you see | read") for name in names_in(row[0])}
    return {name for name in found if "_" in name}


def unknown(signs: set[str], sources: str) -> set[str]:
    """Signs that nothing in the code gives."""
    return {sign for sign in signs if f'"{sign}"' not in sources}


def default_of(field: marshmallow.fields.Field) -> str:
    if field.required:
        return "required"
    value: Any = field.load_default() if callable(field.load_default) else field.load_default
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_key_stands_with_its_default() -> None:
    assert keys_in(PAGE) == {name: default_of(field) for name, field in ConfigSchema().fields.items()}


def test_every_metric_and_every_check_stands() -> None:
    exposed = {m.describe()[0].name for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)}

    assert metrics_in(PAGE) == exposed
    assert checks_in(PAGE) == set(re.findall(r'checks\.add\(\s*"(\w+)"', SOURCES))


def test_what_an_operator_is_to_look_for_is_something_that_the_code_gives() -> None:
    signs = signs_in(PAGE)

    assert {"outbox_lag", "clock_wrong"} <= signs
    assert unknown(signs, SOURCES) == set()


def test_another_default_a_missing_metric_and_a_sign_that_nothing_gives_are_seen() -> None:
    other = PAGE.replace("| `prefetch` | 64 |", "| `prefetch` | 10 |").replace("`touchstone_published`, ", "")

    assert keys_in(other) != keys_in(PAGE)
    assert metrics_in(PAGE) - metrics_in(other) == {"touchstone_published"}
    assert unknown({"clock_wrong", "clock_stolen"}, 'log.warning("clock_wrong")') == {"clock_stolen"}
