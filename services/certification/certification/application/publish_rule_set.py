"""Publishes a rule set: its form, its place among those that were published, who hears of it, and who waits for it."""

import datetime
from typing import Any

from certification.data import rule_sets
from certification.storage.jobs import Jobs
from certification.storage.rule_sets import RuleSets
from touchstone_contracts.events.certification import RuleSetPublished
from touchstone_contracts.publishing import publish
from touchstone_contracts.reference import Publication


class RuleSetPublishing:
    def __init__(self, unit: Any):
        self._rule_sets, self._jobs = RuleSets(unit), Jobs(unit)

    def publish(self, document: Any, *, by: str, now: datetime.datetime) -> Publication:
        """Publish the document as a version; what is there already with the same content is answered as it is.

        Raises InvalidRequest with everything that is wrong, and AlreadyExists, with what differs, where the version
        is there with another content.
        """
        publication, is_new = publish(
            document,
            rule_sets.faults(document),
            called="rule set",
            publications=self._rule_sets,
            announced=rule_set_published,
            by=by,
            now=now,
        )
        if is_new:
            self._jobs.wake_for_rules(publication, now=now)
        return publication


def rule_set_published(publication: Publication) -> RuleSetPublished:
    """The rule set whole."""
    return RuleSetPublished(
        publication_id=publication.key,
        rule_set_id=publication.id,
        version=publication.version,
        effective_from=publication.effective_from,
        title=publication.document["title"],
        hash=publication.hash,
        content=publication.content,
        published_by=publication.published_by,
    )
