"""Rule sets: published by the Secretariat, and shown to whoever is decided on by them."""

from typing import Any

from certification.application.publish_rule_set import RuleSetPublishing
from certification.presenters import rule_sets as present
from certification.schemas.rule_sets import GetRuleSet, ListRuleSets, PublishRuleSet
from certification.storage.rule_sets import RuleSets
from touchstone_chassis.api import Stored, command, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import NotFound
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

    @query(GetRuleSet(), roles=ALL)
    def get_rule_set(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """A rule set whole: that version, or the one that is effective on a day. Errors: not_found."""
        version, day = request["version"], request["on"] or self.clock.today()
        if version is None:
            version = self.rule_sets.version_on(day)
        found = self.rule_sets.get(version) if version is not None else None
        if found is None:
            raise NotFound(f"There is no rule set {version}." if version else f"No rule set is effective on {day}.")
        return present.rule_set(found)

    @query(ListRuleSets(), roles=ALL)
    def list_rule_sets(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Rule sets by version, without what they say: `{"items": [...], "next": cursor or null}`."""
        limit = request["limit"]
        found = self.rule_sets.listed(after=int(request["after"] or 0), limit=limit + 1)
        return page(found, limit, present.rule_set_summary, lambda one: str(one.version))
