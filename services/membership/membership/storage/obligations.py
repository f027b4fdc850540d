"""The obligations that were published, in the database and in this process's memory; a version never changes."""

import datetime
from collections.abc import Sequence
from typing import Any

from membership.data.obligations import obligations_of, shipped
from membership.domain.organisations.obligations import OBLIGATIONS, Obligations
from membership.storage.unit_of_work import Unit
from touchstone_contracts.publishing import EDITION, edition_of, publication_of, stored
from touchstone_contracts.reference import Edition, Publication, edition_key, effective_on
from touchstone_contracts.topology import Index

INDEXES = (Index(collection="obligations", keys=[("reference_id", 1), ("reference_version", 1)]),)


class ObligationsCache:
    """The obligations that this process has used, by their hash: what a hash stands for never changes.

    Which ones a day has is asked of the database each time.
    """

    def __init__(self) -> None:
        self._read: dict[str, Obligations] = {}

    def get(self, edition: Edition, published: "PublishedObligations") -> Obligations:
        if edition.hash not in self._read:
            found = published.get(edition.version)
            assert found is not None  # nobody deletes one
            self._read[edition.hash] = obligations_of(found)
        return self._read[edition.hash]


class PublishedObligations:
    def __init__(self, unit: Unit):
        self._unit = unit

    def get(self, version: int) -> Publication | None:
        document = self._unit.find_one("obligations", {"_id": edition_key(OBLIGATIONS, version)})
        return publication_of(document) if document else None

    def newest(self) -> int:
        """The highest version that was published; 0 before the first."""
        return max((edition.version for edition in self.editions()), default=0)

    def editions(self) -> list[Edition]:
        found = self._unit.find("obligations", {"reference_id": OBLIGATIONS}, projection=EDITION)
        return [edition_of(document) for document in found]

    def version_on(self, day: datetime.date) -> int | None:
        edition = effective_on(self.editions(), day)
        return edition.version if edition else None

    def effective_on(self, day: datetime.date, cache: ObligationsCache) -> Obligations | None:
        """What memberships oblige to on that day. Raises ValueError where this release cannot use it."""
        edition = effective_on(self.editions(), day)
        return cache.get(edition, self) if edition else None

    def listed(self, *, after: int, limit: int) -> list[Publication]:
        """By version, from the one after `after`."""
        filter = {"reference_id": OBLIGATIONS, "reference_version": {"$gt": after}}
        found = self._unit.find("obligations", filter, sort=[("reference_version", 1)], limit=limit)
        return [publication_of(document) for document in found]

    def add(self, publication: Publication, events: Sequence[Any]) -> None:
        self._unit.save("obligations", stored(publication), events)


def publish_shipped(database: Any) -> None:
    """Migration 1: the obligations that come with the release, for a database that has none. Safe to repeat."""
    for publication in shipped():
        document = stored(publication) | {"version": 1}  # as the unit of work would have written it
        database["obligations"].update_one({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True)


MIGRATIONS = {1: publish_shipped}
