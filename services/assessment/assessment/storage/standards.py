"""The standards that were published, in the database and in this process's memory; a version never changes."""

import datetime
import itertools
import os
from collections.abc import Iterable, Sequence
from typing import Any

from assessment.data.catalogue import Catalogue, catalogue_of, shipped
from assessment.storage.unit_of_work import Unit
from touchstone_chassis.api import Query
from touchstone_contracts.publishing import EDITION, edition_of, publication_of, stored
from touchstone_contracts.reference import Edition, Publication, edition_key, effective_on
from touchstone_contracts.topology import Index

KIND = "standard"
OWN_FOLDER = "ASSESSMENT_STANDARDS_FOLDER"
"""In the environment of `touchstone provision`: the scheme owner's own data files, for a database that has none."""
INDEXES = (Index(collection="standards", keys=[("kind", 1), ("_id", 1)]),)


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


class Standards:
    def __init__(self, unit: Unit):
        self._unit = unit

    @staticmethod
    def query_editions() -> Query | None:
        """What is read to know which standards a day has."""
        return Query.of("standards", {"kind": KIND}, EDITION)

    def get(self, id: str, version: int) -> Publication | None:
        document = self._unit.find_one("standards", {"_id": edition_key(id, version)})
        return publication_of(document) if document else None

    def newest(self, id: str) -> int:
        """The highest version that was published under an id; 0 before the first."""
        return max((edition.version for edition in self.editions() if edition.id == id), default=0)

    def editions(self) -> list[Edition]:
        """Of all standards, by id and version."""
        found = self._unit.find("standards", {"kind": KIND}, projection=EDITION)
        return sorted((edition_of(document) for document in found), key=lambda one: (one.id, one.version))

    def effective_on(self, day: datetime.date) -> list[Edition]:
        """One for each standard that there is on that day, by id."""
        by_id = itertools.groupby(self.editions(), key=lambda one: one.id)
        found = (effective_on(list(editions), day) for _, editions in by_id)
        return [edition for edition in found if edition is not None]

    def catalogue(self, day: datetime.date, cache: CatalogueCache) -> Catalogue:
        """What reports are held against on that day. Raises CatalogueError for what this release cannot use."""
        return cache.get(self.effective_on(day), self)

    def read(self, editions: Sequence[Edition]) -> list[Publication]:
        """The same with their content, in their order."""
        keys = [edition.key for edition in editions]
        found = {d["_id"]: publication_of(d) for d in self._unit.find("standards", {"_id": {"$in": keys}})}
        return [found[key] for key in keys]

    def listed(self, *, after: str | None, limit: int) -> list[Publication]:
        """By id and version as one text, from the one after `after`."""
        filter = {"kind": KIND, "_id": {"$gt": after or ""}}
        return [publication_of(d) for d in self._unit.find("standards", filter, sort=[("_id", 1)], limit=limit)]

    def add(self, publication: Publication, events: Iterable[Any]) -> None:
        self._unit.save("standards", _document(publication), events)


def publish_shipped(database: Any) -> None:
    """Migration 1: the standards that come with the release, and the scheme owner's own. Safe to repeat."""
    for publication in shipped(os.environ.get(OWN_FOLDER) or None):
        document = _document(publication) | {"version": 1}  # as the unit of work would have written it
        database["standards"].update_one({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True)


MIGRATIONS = {1: publish_shipped}


def _document(publication: Publication) -> dict[str, Any]:
    return stored(publication) | {"kind": KIND}
