"""Publishes obligations: their form, their place among those that were published, and what is announced."""

import datetime
from typing import Any

from membership.data import obligations
from membership.storage.obligations import PublishedObligations
from touchstone_contracts.events.membership import ObligationsPublished
from touchstone_contracts.publishing import publish
from touchstone_contracts.reference import Publication


def publish_obligations(
    document: Any, published: PublishedObligations, *, by: str, now: datetime.datetime
) -> Publication:
    """Publish the document as a version; what is there already with the same content is answered as it is.

    Raises InvalidRequest with everything that is wrong, and AlreadyExists, with what differs, where the version is
    there with another content.
    """
    publication, _ = publish(
        document,
        obligations.faults(document),
        called="obligations",
        publications=published,
        announced=obligations_published,
        by=by,
        now=now,
    )
    return publication


def obligations_published(publication: Publication) -> ObligationsPublished:
    return ObligationsPublished(
        publication_id=publication.key,
        version=publication.version,
        effective_from=publication.effective_from,
        title=publication.document["title"],
        hash=publication.hash,
        content=publication.content,
        published_by=publication.published_by,
    )
