"""Standards as callers see them; a whole one is its data file, as it was published."""

from typing import Any

from assessment.domain.standards import StandardVersion
from touchstone_contracts.reference import Publication


def publication_line(given: Publication) -> dict[str, Any]:
    """What was published, in short. `published_at` is null of what a database was provisioned with."""
    return {
        "id": given.id,
        "version": given.version,
        "effective_from": given.effective_from,
        "title": given.document["standard"]["name"],
        "hash": given.hash,
        "published_by": given.published_by,
        "published_at": given.published_at,
    }


def publication(given: Publication) -> dict[str, Any]:
    """With its document; `hash` is over the canonical text of that."""
    return {**publication_line(given), "document": given.document}


def standard_line(standard: StandardVersion) -> dict[str, Any]:
    """A standard version in a list."""
    return {
        "code": standard.code,
        "version": standard.version,
        "name": standard.name,
        "certifiable_from": standard.certifiable_from,
        "new_certificates_until": standard.new_certificates_until,
        "existing_certificates_until": standard.existing_certificates_until,
        "acceptance": standard.acceptance,
        "criteria_count": len(standard.criteria),
    }
