"""Publishes obligations: their form, their place among those that were published, and what is announced."""

import datetime
from typing import Any

from membership.data import obligations
from membership.storage.obligations import PublishedObligations
from touchstone_contracts.events.membership import ObligationsPublished
from touchstone_contracts.publishing import take
from touchstone_contracts.reference import Publication


def publish_obligations(
    document: Any, published: PublishedObligations, *, by: str, now: datetime.datetime
) -> Publication:
    """Publish the document as a version; what is there already with the same content is answered as it is.

    Raises InvalidRequest with everything that is wrong, and AlreadyExists, with what differs, where the version is
    there with another content.
    """
    publication, is_new = take(
        document,
        obligations.faults(document),
        called="obligations",
        find=lambda _id, version: published.get(version),
        newest=lambda _id: published.newest(),
        by=by,
        now=now,
    )
    if is_new:
        published.add(publication, [_announcement(publication)])
    return publication


def _announcement(publication: Publication) -> ObligationsPublished:
    return ObligationsPublished(
        publication_id=publication.key,
        version=publication.version,
        effective_from=publication.effective_from,
        title=publication.document["title"],
        hash=publication.hash,
        content=publication.content,
        published_by=publication.published_by,
    )
