"""Obligations as callers see them."""

from typing import Any

from touchstone_contracts.reference import Publication


def obligations_line(given: Publication) -> dict[str, Any]:
    """A version in a list. `published_at` is null of what came with a release."""
    return {
        "id": given.id,
        "version": given.version,
        "effective_from": given.effective_from,
        "title": given.document["title"],
        "hash": given.hash,
        "published_by": given.published_by,
        "published_at": given.published_at,
    }


def obligations(given: Publication) -> dict[str, Any]:
    """With the document; `hash` is over the canonical text of that."""
    return {**obligations_line(given), "document": given.document}
