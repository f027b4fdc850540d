"""The methods for what the classes of membership oblige to."""

from typing import Any

from membership.application.publish_obligations import publish_obligations
from membership.domain.organisations.obligations import OBLIGATIONS
from membership.presenters import obligations as present
from membership.schemas.obligations import PublishObligations
from membership.storage.obligations import ObligationsCache, PublishedObligations
from touchstone_chassis.api import Stored, command, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.publication_calls import GetEdition, ListEditions
from touchstone_contracts.roles import ALL, SECRETARIAT


class ObligationsEntrypoints:
    """What a membership obliges to, by its class."""

    clock: Any
    obligations = Stored(PublishedObligations)

    obligations_cache = ObligationsCache()  # of the process: nameko makes an instance of the class for each worker

    @command(PublishObligations(), roles=(SECRETARIAT,))
    def publish_obligations(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Publish obligations as a new version, effective from a day that is still to come; answers it in short.

        The Secretariat keeps the scheme's rules, as it publishes rule sets and standards. The same document again is
        answered as it was published.
        Errors: invalid_request (all that is wrong), already_exists (the version with another content: what differs).
        """
        now = self.clock.now()
        return present.obligations_line(
            publish_obligations(request["document"], self.obligations, by=caller.subject, now=now)
        )

    @query(GetEdition(), roles=ALL)
    def get_obligations(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Obligations whole: that version, or what is effective on a day. Errors: not_found."""
        day = request["on"] or self.clock.now().date()
        return present.obligations(self.obligations.asked_for(OBLIGATIONS, request["version"], day))

    @query(ListEditions(), roles=ALL)
    def list_obligations(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Versions, without what they say: `{"items": [...], "next": cursor or null}`."""
        limit = request["limit"]
        found = self.obligations.listed(after=request["after"], limit=limit + 1)
        return page(found, limit, present.obligations_line, lambda one: one.key)
