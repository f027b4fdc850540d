"""What outsiders are shown of a rule set."""

from typing import Any

from touchstone_contracts.publication_calls import line, whole
from touchstone_contracts.reference import Publication


def rule_set_summary(given: Publication) -> dict[str, Any]:
    return line(given, title=given.document["title"])


def rule_set(given: Publication) -> dict[str, Any]:
    return whole(given, title=given.document["title"])
