"""The standards that were published, in the database and in this process's memory; a version never changes."""

import datetime
import os
from collections.abc import Sequence
from typing import Any

from assessment.data.catalogue import Catalogue, catalogue_of, shipped
from touchstone_contracts.publications import Publications
from touchstone_contracts.reference import Edition
from touchstone_contracts.topology import Index

OWN_FOLDER = "ASSESSMENT_STANDARDS_FOLDER"
"""In the environment of `touchstone provision`: the scheme owner's own data files, for a database that has none."""
INDEXES = (Index(collection="standards", keys=[("kind", 1)]),)


class CatalogueCache:
    """The catalogues that this process has used, by the hashes of what is in them: what these stand for never changes.

    Which editions a day has is asked of the database each time.
    """

    def __init__(self) -> None:
        self._read: dict[tuple[str, ...], Catalogue] = {}

    def get(self, editions: Sequence[Edition], standards: "Standards") -> Catalogue:
        hashes = tuple(edition.hash for edition in editions)
        if hashes not in self._read:
            self._read[hashes] = catalogue_of(standards.read(editions))
        return self._read[hashes]


class Standards(Publications):
    kind, collection = "standard", "standards"

    def catalogue(self, day: datetime.date, cache: CatalogueCache) -> Catalogue:
        """What reports are held against on that day. Raises CatalogueError for what this release cannot use."""
        return cache.get(self.effective_on(day), self)


def publish_shipped(database: Any) -> None:
    """Migration 1: the standards that come with the release, and the scheme owner's own. Safe to repeat."""
    Standards.put(database, shipped(os.environ.get(OWN_FOLDER) or None))


MIGRATIONS = {1: publish_shipped}
