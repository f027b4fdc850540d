"""What a service knows of the way of an event: announced, published, processed, dead-lettered or overdue."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from touchstone_chassis.deadletters.letter import PARKED, json_of
from touchstone_chassis.deadletters.status import about, waiting_replays
from touchstone_chassis.observability.redaction import masked
from touchstone_chassis.pagination import behind, cursor_of, read_cursor
from touchstone_chassis.unit_of_work.announced import find_events
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import DEAD_LETTERS, DEADLINES, INBOX, OUTBOX, REPUBLICATIONS
from touchstone_contracts.registry import known

UNDER_WAY = datetime.timedelta(seconds=10)
"""What is younger than this is not late: it is being published or handled at this moment."""
BODY_BYTES_READ_MAX = 256 * 1024
"""A dead letter's body is looked into only up to this size: what is larger is no event of ours."""
_OF_A_ROW = (
    *("type", "subject", "sequence", "correlation_id", "causation_id", "trigger", "by", "recorded_at"),
    *("published_at", "pending", "attempts", "last_outcome", "next_attempt_at"),
)
_OF_A_DEAD_LETTER = (
    "event_id",
    "message_id",
    "event_type",
    "queue",
    "reason",
    "state",
    "parked_at",
    "attempts",
    "replays",
)


class EventHistory:
    """Reads outbox, event log, inbox, dead letters and jobs; changes nothing."""

    def __init__(self, unit: UnitOfWork):
        self._unit = unit

    def events(self, request: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
        """Events that `ids`, `subjects`, `caused_by` or `since` name, oldest first, and the cursor to the next ones.

        With `since` they come without their facts: there may be very many.
        """
        projection = dict.fromkeys(_OF_A_ROW, 1) | ({} if "since" in request else {"body": 1})
        limit = request["limit"]
        order = [("recorded_at", 1), ("_id", 1)]
        found = find_events(self._unit, _criteria(request), sort=order, limit=limit + 1, projection=projection)
        self._published_last(found)
        page = found[:limit]
        return [_event(row) for row in page], cursor_of(page[-1], "recorded_at") if len(found) > limit else None

    def _published_last(self, events: Iterable[dict[str, Any]]) -> None:
        """The log says when an event went out first; what went out once more is noted beside it."""
        by_id = {event["_id"]: event for event in events}
        again = self._unit.find(REPUBLICATIONS, {"event_id": {"$in": list(by_id)}}) if by_id else []
        for mark in sorted(again, key=lambda mark: mark["published_at"]):
            by_id[mark["event_id"]] |= {"published_at": mark["published_at"]}

    def processed(self, service: str, handlers: Iterable[str], ids: Sequence[str]) -> list[dict[str, Any]]:
        """When each handler was done with each of these events, as far as it is."""
        keys = [f"{service}.{handler}/{id}" for handler in handlers for id in ids]
        found = self._unit.find(INBOX, {"_id": {"$in": keys}}) if keys else []
        return [_processed(document) for document in found]

    def dead_letters(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What was dead-lettered of these events, and what was done with it by whom.

        `replaying`: its last replay waits in the outbox. One that went out is not followed here.
        """
        found = self._unit.find(
            DEAD_LETTERS,
            about(ids),
            projection=dict.fromkeys([*_OF_A_DEAD_LETTER, "actions", "error"], 1),
        )
        waiting = waiting_replays(self._unit, found)
        return [
            _dead_letter(document)
            | masked({"actions": document["actions"]})
            | {"replaying": document["_id"] in waiting}
            for document in found
        ]

    def unpublished(self, now: datetime.datetime, limit: int) -> list[dict[str, Any]]:
        """Messages that wait for the broker's confirm for longer than it should take."""
        late = {"pending": True, "recorded_at": {"$lt": now - UNDER_WAY}}
        projection = dict.fromkeys([*_OF_A_ROW, "routing_key"], 1)
        found = self._unit.find(OUTBOX, late, sort=[("next_attempt_at", 1)], limit=limit, projection=projection)
        bodies = {row["_id"]: row.get("body", b"") for row in self._bodies(OUTBOX, [row["_id"] for row in found])}
        return [_event(row | {"body": bodies.get(row["_id"], b"")}) for row in found]

    def parked(self, limit: int) -> list[dict[str, Any]]:
        """Dead letters that wait for somebody, oldest first, with the facts of the event that they hold."""
        found = self._unit.find(
            DEAD_LETTERS,
            {"state": PARKED},
            sort=[("parked_at", 1), ("_id", 1)],
            limit=limit,
            projection=dict.fromkeys([*_OF_A_DEAD_LETTER, "error", "size"], 1),
        )
        small = [letter["_id"] for letter in found if letter["size"] <= BODY_BYTES_READ_MAX]
        bodies = {document["_id"]: document["body"] for document in self._bodies(DEAD_LETTERS, small)}
        return [_dead_letter(letter) | {"facts": _told(letter, bodies.get(letter["_id"]))} for letter in found]

    def late_deadlines(self, domain_now: datetime.datetime, now: datetime.datetime, limit: int) -> list[dict[str, Any]]:
        """Jobs that fail, or that nobody has carried out though they are due."""
        late = {
            "$or": [
                {"attempt": {"$gte": 2}},
                {"due_at": {"$lt": domain_now - UNDER_WAY}, "claimed_until": None},
                {"due_at": {"$lt": domain_now - UNDER_WAY}, "claimed_until": {"$lt": now - UNDER_WAY}},
            ]
        }
        due = {"due_at": {"$lte": domain_now}}
        found = self._unit.find(DEADLINES, due | late, sort=[("due_at", 1)], limit=limit)
        return [
            {name: document[name] for name in ("kind", "key", "due_at", "attempt", "claimed_until")}
            for document in found
        ]

    def next_due(self, kinds: Sequence[str], key: str) -> datetime.datetime | None:
        """When the first job of one of these kinds falls due for `key`, if one is set."""
        ids = [f"{kind}/{key}" for kind in kinds]
        found = self._unit.find(DEADLINES, {"_id": {"$in": ids}}, projection={"due_at": 1})
        return min((document["due_at"] for document in found), default=None)

    def _bodies(self, collection: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        return self._unit.find(collection, {"_id": {"$in": list(ids)}}, projection={"body": 1}) if ids else []


def facts_of(body: bytes | None, *named: str | None) -> dict[str, Any]:
    """Of an event's data what its class says that people may see, addresses masked; of an unknown type nothing.

    `named`: what the type is said to be, by whom we trust most first; last comes the word of the body itself.
    """
    content = json_of(body) if body else {}
    data, claimed = content.get("data"), content.get("type")
    event_class: Any = next(filter(None, map(known, [*named, claimed if isinstance(claimed, str) else None])), None)
    if not isinstance(data, dict) or event_class is None:
        return {}
    told = {name: data[name] for name in event_class.public if data.get(name) not in (None, [], "")}
    shown: dict[str, Any] = masked(told)
    return shown


def _told(letter: Mapping[str, Any], body: bytes | None) -> dict[str, Any]:
    return facts_of(body, letter["event_type"], (letter["queue"] or "").partition(".")[2])


def _criteria(request: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, name in (("_id", "ids"), ("subject", "subjects"), ("causation_id", "caused_by"), ("type", "types")):
        if name in request:
            found[field] = {"$in": request[name]}
    if "since" in request:
        found["recorded_at"] = {"$gte": request["since"]}
    if request.get("after"):
        moment, id = read_cursor(request["after"])
        found["recorded_at"] = {"$gte": moment}
        found["$or"] = behind("recorded_at", moment, id)
    return found


def _event(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: row.get(name) for name in _OF_A_ROW}
    return {"id": row["_id"], **shown, "by": masked(row.get("by")), "facts": facts_of(row.get("body"), row.get("type"))}


def _processed(document: Mapping[str, Any]) -> dict[str, Any]:
    handler, _, event_id = document["_id"].partition("/")
    return {
        "event_id": event_id,
        "handler": handler.partition(".")[2],
        "at": document["at"],
        "retries": document.get("retries", 0),
    }


def _dead_letter(document: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: document[name] for name in _OF_A_DEAD_LETTER}
    shown["event_id"] = document["event_id"] or document["message_id"]
    return {"id": document["_id"], **shown, "error": masked(document["error"])}
