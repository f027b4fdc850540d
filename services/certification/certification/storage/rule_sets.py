"""The rule sets that were published, in the database and in this process's memory; a version never changes."""

import datetime
from collections.abc import Iterable
from typing import Any

from certification.data.rule_sets import rule_set_of, shipped
from certification.domain.rules.rule_set import DECISION_TABLE, RuleSet
from touchstone_chassis.api import Query
from touchstone_contracts.publishing import EDITION, edition_of, publication_of, stored
from touchstone_contracts.reference import Edition, Publication, edition_key, effective_on
from touchstone_contracts.topology import Index

INDEXES = (Index(collection="rule_sets", keys=[("reference_id", 1), ("reference_version", 1)]),)


class RuleSetCache:
    """The rule sets that this process has decided by, by their hash: what a hash stands for never changes.

    Which one a day has is asked of the database each time.
    """

    def __init__(self) -> None:
        self._read: dict[str, RuleSet] = {}

    def get(self, edition: Edition, rule_sets: "RuleSets") -> RuleSet:
        if edition.hash not in self._read:
            found = rule_sets.get(edition.version)
            assert found is not None  # nobody deletes one
            self._read[edition.hash] = rule_set_of(found)
        return self._read[edition.hash]


class RuleSets:
    def __init__(self, unit: Any):
        self._unit = unit

    @staticmethod
    def query_editions() -> Query | None:
        """What is read to know which rule set a day has."""
        return Query.of("rule_sets", {"reference_id": DECISION_TABLE}, EDITION)

    def get(self, version: int) -> Publication | None:
        document = self._unit.find_one("rule_sets", {"_id": edition_key(DECISION_TABLE, version)})
        return publication_of(document) if document else None

    def newest(self) -> int:
        """The highest version that was published; 0 before the first."""
        return max((edition.version for edition in self.editions()), default=0)

    def editions(self) -> list[Edition]:
        found = self._unit.find("rule_sets", {"reference_id": DECISION_TABLE}, projection=EDITION)
        return [edition_of(document) for document in found]

    def version_on(self, day: datetime.date) -> int | None:
        edition = effective_on(self.editions(), day)
        return edition.version if edition else None

    def effective_on(self, day: datetime.date, cache: RuleSetCache) -> RuleSet | None:
        """The rule set that cases are decided by on that day. Raises ValueError where this release cannot use it."""
        edition = effective_on(self.editions(), day)
        return cache.get(edition, self) if edition else None

    def listed(self, *, after: int, limit: int) -> list[Publication]:
        """By version, from the one after `after`."""
        filter = {"reference_id": DECISION_TABLE, "reference_version": {"$gt": after}}
        found = self._unit.find("rule_sets", filter, sort=[("reference_version", 1)], limit=limit)
        return [publication_of(document) for document in found]

    def add(self, publication: Publication, events: Iterable[Any]) -> None:
        self._unit.save("rule_sets", stored(publication), events)


def publish_shipped(database: Any) -> None:
    """Migration 1: the rule sets that come with the release, for a database that has none. Safe to repeat."""
    for publication in shipped():
        document = stored(publication) | {"version": 1}  # as the unit of work would have written it
        database["rule_sets"].update_one({"_id": document["_id"]}, {"$setOnInsert": document}, upsert=True)


MIGRATIONS = {1: publish_shipped}
