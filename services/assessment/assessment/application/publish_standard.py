"""Publishes a standard: its form, its place among those that were published, and what is announced of it."""

import datetime
from typing import Any

from assessment.data import catalogue
from assessment.storage.standards import Standards
from touchstone_contracts.events.assessment import StandardPublished
from touchstone_contracts.publishing import publish
from touchstone_contracts.reference import Publication
from touchstone_contracts.values import Standard, StandardCriterion


def publish_standard(document: Any, standards: Standards, *, by: str, now: datetime.datetime) -> Publication:
    """Publish the document as a version; what is there already with the same content is answered as it is.

    Raises InvalidRequest with everything that is wrong, and AlreadyExists, with what differs, where the version is
    there with another content.
    """
    publication, _ = publish(
        document,
        catalogue.faults(document),
        called="standard",
        publications=standards,
        announced=standard_published,
        by=by,
        now=now,
    )
    return publication


def standard_published(publication: Publication) -> StandardPublished:
    standard = catalogue.standard_of(publication)
    return StandardPublished(
        publication_id=publication.key,
        standard=Standard(code=standard.code, version=standard.version),
        name=standard.name,
        version=publication.version,
        effective_from=publication.effective_from,
        hash=publication.hash,
        certifiable_from=standard.certifiable_from,
        new_certificates_until=standard.new_certificates_until,
        existing_certificates_until=standard.existing_certificates_until,
        criteria=[StandardCriterion(code=one.code, title=one.title) for one in standard.criteria],
        published_by=publication.published_by,
    )
