"""What outsiders are shown of a rule set."""

from typing import Any

from touchstone_contracts.reference import Publication


def rule_set_summary(given: Publication) -> dict[str, Any]:
    """A rule set in a list. `published_at` is null of what came with a release."""
    return {
        "id": given.id,
        "version": given.version,
        "effective_from": given.effective_from.isoformat(),
        "title": given.document["title"],
        "hash": given.hash,
        "published_by": given.published_by,
        "published_at": given.published_at.isoformat() if given.published_at else None,
    }


def rule_set(given: Publication) -> dict[str, Any]:
    """With its document; `hash` is over the canonical text of that."""
    return {**rule_set_summary(given), "document": given.document}
