"""What notification lets a reconciliation compare: to whom it told what, as ids and states without an address."""

import datetime
from collections.abc import Sequence
from typing import Any

from notification.data.notice_rules import RULES
from notification.domain.notices.notice import NoticeState
from notification.storage.announcements import ANNOUNCEMENTS
from notification.storage.jobs import SEND_NOTICE
from notification.storage.notices import NOTICES
from touchstone_chassis.api import Due, ReconciliationDeclarations, missing_jobs

_EFFECTIVE = (NoticeState.PENDING.value, NoticeState.SENT.value)
_ANNOUNCEMENT = {"audit_id": 1, "type": 1, "announced": 1, "parties": 1, "nobody_until": 1}
_NOTICE = {"about": 1, "contact_id": 1, "party": 1, "state": 1, "audit_id": 1}
_TOLD_ONCE = tuple(rule.type for rule in RULES.values() if rule.once)
"""Of these there is one for each audit: two notices of one of them to one person say the same thing twice."""


def announcements(unit: Any, keys: Sequence[str]) -> list[dict[str, Any]]:
    """What became of these events (by id) that people are told of: parties, and the notices to them."""
    documents = unit.find(ANNOUNCEMENTS, {"_id": {"$in": list(keys)}}, projection=_ANNOUNCEMENT)
    found = {document["_id"]: _announcement(document) for document in documents}
    for notice in unit.find(NOTICES, {"about": {"$in": list(found)}}, projection=_NOTICE):
        found[notice["about"]]["notices"].append(
            {"notice_id": notice["_id"], "contact_id": notice["contact_id"], "party": notice["party"]}
            | {"effective": notice["state"] in _EFFECTIVE}
        )
    _add_repeats(unit, {d["audit_id"]: d["_id"] for d in documents if d["type"] in _TOLD_ONCE}, found)
    _add_lacking_sendings(unit, found)
    return list(found.values())


def _announcement(document: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": document["_id"],
        "audit_id": document["audit_id"],
        "announced": document["announced"],
        "parties": document["parties"] if document["announced"] else [],
        "nobody": [row["party"] for row in document["nobody_until"]],
        "notices": [],
        "repeats": [],
        "lacks_sending": [],
    }


def _add_repeats(unit: Any, events: dict[str, str], found: dict[str, dict[str, Any]]) -> None:
    """Other notices that tell the same person of the same outcome of the same audit, under another event's id."""
    alike = {"audit_id": {"$in": list(events)}, "type": {"$in": list(_TOLD_ONCE)}, "state": {"$in": list(_EFFECTIVE)}}
    for notice in unit.find(NOTICES, alike, projection=_NOTICE):
        event = events[notice["audit_id"]]
        if notice["about"] != event:
            told = {one["contact_id"] for one in found[event]["notices"] if one["effective"]}
            if notice["contact_id"] in told:
                found[event]["repeats"].append({"notice_id": notice["_id"], "contact_id": notice["contact_id"]})


def _add_lacking_sendings(unit: Any, found: dict[str, dict[str, Any]]) -> None:
    pending = {"about": {"$in": list(found)}, "state": NoticeState.PENDING.value}
    ids = [notice["_id"] for notice in unit.find(NOTICES, pending, projection={"_id": 1})]
    lacking = missing_jobs(unit, SEND_NOTICE, ids)
    # Marking a notice and ending its job are one commit: what is still pending now does lack it.
    still = {"_id": {"$in": sorted(lacking)}, "state": NoticeState.PENDING.value}
    for notice in unit.find(NOTICES, still, projection={"about": 1}):
        found[notice["about"]]["lacks_sending"].append(notice["_id"])


def due_sending(unit: Any, notice_id: str) -> Due | None:
    """When a notice is to be sent, if it still is. The handler sends none that is not pending."""
    notice = unit.find_one(NOTICES, {"_id": notice_id})
    if notice is None or notice["state"] != NoticeState.PENDING.value:
        return None
    return datetime.datetime.fromisoformat(notice["created_at"]), {}


DECLARATIONS = ReconciliationDeclarations(facts={"announcements": announcements}, deadlines={SEND_NOTICE: due_sending})
