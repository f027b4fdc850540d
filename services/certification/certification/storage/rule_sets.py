"""The rule sets that were published, in the database and in this process's memory; a version never changes."""

import datetime
from typing import Any

from certification.data.rule_sets import rule_set_of, shipped
from certification.domain.rules.rule_set import DECISION_TABLE, RuleSet
from touchstone_contracts.publications import Publications
from touchstone_contracts.reference import Edition
from touchstone_contracts.topology import Index

INDEXES = (Index(collection="rule_sets", keys=[("kind", 1)]),)


class RuleSetCache:
    """The rule sets that this process has decided by, by their hash: what a hash stands for never changes.

    Which one a day has is asked of the database each time.
    """

    def __init__(self) -> None:
        self._read: dict[str, RuleSet] = {}

    def get(self, edition: Edition, rule_sets: "RuleSets") -> RuleSet:
        if edition.hash not in self._read:
            (found,) = rule_sets.read([edition])
            self._read[edition.hash] = rule_set_of(found)
        return self._read[edition.hash]


class RuleSets(Publications):
    kind, collection = "rule_set", "rule_sets"

    def in_force(self, day: datetime.date, cache: RuleSetCache) -> RuleSet | None:
        """The rule set that cases are decided by on that day. Raises ValueError where this release cannot use it."""
        edition = next((one for one in self.effective_on(day) if one.id == DECISION_TABLE), None)
        return cache.get(edition, self) if edition else None


def publish_shipped(database: Any) -> None:
    """Migration 1: the rule sets that come with the release, for a database that has none. Safe to repeat.

    One in which cases were decided or mandates signed before rule sets were published has the first only: the mandates
    are for that one. Whoever signed them publishes the next.
    """
    used = database["cases"].find_one({}, {"_id": 1}) or database["mandates"].find_one({}, {"_id": 1})
    RuleSets.put(database, shipped()[:1] if used else shipped())


MIGRATIONS = {1: publish_shipped}
