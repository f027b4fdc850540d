"""What is not finished here, for whoever follows a case."""

from typing import Any

from notification.domain.notices.notice import OUTDATED
from notification.presenters.pending_work import unsent_notices, without_recipient
from notification.storage.announcements import Announcements
from notification.storage.jobs import SEND_NOTICE
from notification.storage.notices import Notices
from notification.storage.values import position
from touchstone_chassis.api import Stored, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.pending_work import ListUnfinished
from touchstone_contracts.roles import FOLLOWERS


class PendingWorkEntrypoints:
    clock: Any
    event_history: Any
    announcements = Stored(Announcements)
    notices = Stored(Notices)

    @query(ListUnfinished(), roles=FOLLOWERS)
    def list_unfinished(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Notices that are not sent, and what nobody can be told of for some party; first the one, then the other."""
        limit, after = request["limit"], request["after"] or "notices/"
        kind, _, place = after.partition("/")
        if kind == "announcements":
            untold = self.announcements.without_anybody(audit_id=request["case"], limit=limit, after=place)
            items = [line for announcement in untold for line in without_recipient(announcement)]
            more = f"announcements/{position(untold[-1])}" if len(untold) == limit else None
        else:
            since = self.clock.now() - OUTDATED
            notices = self.notices.unfinished(audit_id=request["case"], given_up_since=since, limit=limit, after=place)
            due = self.event_history.next_due
            items = unsent_notices((notice, due((SEND_NOTICE,), notice.id)) for notice in notices)
            more = f"notices/{position(notices[-1])}" if len(notices) == limit else "announcements/"
        return {"items": [line.as_dict() for line in items], "next": more}

    def job_details(self, kind: str, key: str) -> dict[str, Any]:
        """The case that a job of this service belongs to."""
        notice = self.notices.get(key) if kind == SEND_NOTICE else None
        return {"case": notice.audit_id if notice else None}
