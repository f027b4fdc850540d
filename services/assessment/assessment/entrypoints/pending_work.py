"""What is not finished here, for whoever follows a case."""

from typing import Any

from assessment.presenters.pending_work import pending_work_of
from assessment.storage.audits import Audits
from touchstone_chassis.api import Stored, page, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.pending_work import ListUnfinished
from touchstone_contracts.roles import FOLLOWERS


class PendingWorkEntrypoints:
    """Audits on their way to acceptance."""

    audits = Stored(Audits)

    @query(ListUnfinished(), roles=FOLLOWERS)
    def list_unfinished(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Audits whose report is not accepted, and what each waits for, by id."""
        limit = request["limit"]
        found = self.audits.unfinished(id=request["case"], limit=limit + 1, after=request["after"])
        return page(found, limit, lambda audit: pending_work_of(audit).as_dict())
