"""Obligations as callers see them."""

from typing import Any

from touchstone_contracts.publication_calls import line, whole
from touchstone_contracts.reference import Publication


def obligations_line(given: Publication) -> dict[str, Any]:
    return line(given, title=given.document["title"])


def obligations(given: Publication) -> dict[str, Any]:
    return whole(given, title=given.document["title"])
