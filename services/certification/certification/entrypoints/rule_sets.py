"""Rule sets: published by the Secretariat, and shown to whoever is decided on by them."""

from typing import Any

from certification.application.publish_rule_set import RuleSetPublishing
from certification.domain.rules.rule_set import DECISION_TABLE
from certification.presenters import rule_sets as present
from certification.schemas.rule_sets import PublishRuleSet
from certification.storage.rule_sets import RuleSets
from touchstone_chassis.api import Stored, command, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.publication_calls import GetEdition, ListEditions
from touchstone_contracts.roles import ALL, SECRETARIAT


class RuleSetEntrypoints:
    clock: Any
    rule_sets = Stored(RuleSets)
    rule_set_publishing = Stored(RuleSetPublishing)

    @command(PublishRuleSet(), roles=(SECRETARIAT,))
    def publish_rule_set(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Publish a rule set as a new version, effective from a day that is still to come; answers it in short.

        The Secretariat, which signs mandates to rule sets, says what they decide by. Undecided cases are looked at
        again when the day begins. The same document again is answered as it was published.
        Errors: invalid_request (all that is wrong), already_exists (the version with another content: what differs).
        """
        now = self.clock.now()
        return present.rule_set_summary(
            self.rule_set_publishing.publish(request["document"], by=caller.subject, now=now)
        )

    @query(GetEdition(), roles=ALL)
    def get_rule_set(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """A rule set whole: that version, or the one that is effective on a day. Errors: not_found."""
        day = request["on"] or self.clock.today()
        return present.rule_set(self.rule_sets.asked_for(DECISION_TABLE, request["version"], day))

    @query(ListEditions(), roles=ALL)
    def list_rule_sets(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Rule sets by version, without what they say: `{"items": [...], "next": cursor or null}`."""
        limit = request["limit"]
        found = self.rule_sets.listed(after=request["after"], limit=limit + 1)
        return page(found, limit, present.rule_set_summary, lambda one: one.key)
