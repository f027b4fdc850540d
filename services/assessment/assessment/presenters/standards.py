"""Standards as callers see them; a whole one is its data file, as it was published."""

from typing import Any

from assessment.domain.standards import StandardVersion
from touchstone_contracts.publication_calls import line, whole
from touchstone_contracts.reference import Publication


def publication_line(given: Publication) -> dict[str, Any]:
    return line(given, title=given.document["standard"]["name"])


def publication(given: Publication) -> dict[str, Any]:
    return whole(given, title=given.document["standard"]["name"])


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
