"""The obligations that were published, in the database and in this process's memory; a version never changes."""

import datetime
from typing import Any

from membership.data.obligations import obligations_of, shipped
from membership.domain.organisations.obligations import OBLIGATIONS, Obligations
from touchstone_contracts.publications import Publications
from touchstone_contracts.reference import Edition
from touchstone_contracts.topology import Index

INDEXES = (Index(collection="obligations", keys=[("kind", 1)]),)


class ObligationsCache:
    """The obligations that this process has used, by their hash: what a hash stands for never changes.

    Which ones a day has is asked of the database each time.
    """

    def __init__(self) -> None:
        self._read: dict[str, Obligations] = {}

    def get(self, edition: Edition, published: "PublishedObligations") -> Obligations:
        if edition.hash not in self._read:
            (found,) = published.read([edition])
            self._read[edition.hash] = obligations_of(found)
        return self._read[edition.hash]


class PublishedObligations(Publications):
    kind, collection = "obligations", "obligations"

    def in_force(self, day: datetime.date, cache: ObligationsCache) -> Obligations | None:
        """What memberships oblige to on that day. Raises ValueError where this release cannot use it."""
        edition = next((one for one in self.effective_on(day) if one.id == OBLIGATIONS), None)
        return cache.get(edition, self) if edition else None


def publish_shipped(database: Any) -> None:
    """Migration 1: the obligations that come with the release, for a database that has none. Safe to repeat."""
    PublishedObligations.put(database, shipped())


MIGRATIONS = {1: publish_shipped}
