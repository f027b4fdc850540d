"""Keeps what a service gave up in its database, where an operator finds it; `DeadLetterApi` is the way to it."""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from touchstone_chassis.deadletters.letter import (
    BEGINNING_BYTES,
    KEPT_AS,
    OUTSIDERS_KEPT,
    PARKED,
    REPLAYED,
    DeadLetter,
    document_id,
    is_outsiders,
    new_document,
    parked_again,
    queue_of,
    split,
)
from touchstone_chassis.pagination import behind, cursor_of, read_cursor
from touchstone_chassis.unit_of_work.outbox_rows import RELAY_GRACE
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import DEAD_LETTER_PARTS, DEAD_LETTERS, OUTBOX
from touchstone_contracts.errors import NotFound

_WITHOUT_BODIES = {"body": 0, "edited_body": 0, "headers": 0, "properties": 0, "unreadable": 0, "actions": 0, "keys": 0}


class DeadLetters:
    """The dead letters of one service: documents with a state (parked, replayed, discarded) and a history."""

    def __init__(self, unit: UnitOfWork, service: str, consumes: Callable[[str], bool], body_bytes_max: int):
        self.service, self.consumes, self.body_bytes_max = service, consumes, body_bytes_max
        self._unit = unit

    def keep(self, found: DeadLetter, now: datetime.datetime) -> bool:
        """Keep a message, under the document that it had if it was kept before. False when this one is known."""
        document, outsiders = self._known(found), is_outsiders(found, self.service)
        if document is None:
            first, *others = parts = split(found.body[:BEGINNING_BYTES] if outsiders else found.body)
            document = new_document(found, self.service, now)
            document |= {"body": first, "parts": len(parts), "current_digest": document["digest"]}
            for number, part in enumerate(others, start=1):
                self._unit.save(DEAD_LETTER_PARTS, {"_id": f"{document['_id']}/{number}", "version": 0, "body": part})
        elif found.parking_key in document["keys"] and document["state"] != REPLAYED:
            return False  # after a replay it may be the event anew, published again since the replay was lost
        elif document["body"] is None:  # it left with the replay
            place = "body" if found.digest == document["digest"] else "edited_body"
            document = document | {place: found.body}
        parked = parked_again(document, found, now)
        self._unit.save(DEAD_LETTERS, parked | ({"expires_at": now + OUTSIDERS_KEPT} if outsiders else {}))
        return True

    def _known(self, found: DeadLetter) -> dict[str, Any] | None:
        queue, named = queue_of(found), found.headers.get(KEPT_AS)
        if isinstance(named, str):
            document = self._unit.find_one(DEAD_LETTERS, {"_id": named})
            ours = (queue, found.message_id, found.digest)
            if document and ours == (document["queue"], document["message_id"], document["current_digest"]):
                return document
        return self._unit.find_one(DEAD_LETTERS, {"_id": document_id(found, queue)})

    def get(self, id: str) -> dict[str, Any]:
        """The whole document, its body's first part in it. Raises NotFound."""
        document = self._unit.find_one(DEAD_LETTERS, {"_id": id})
        if document is None:
            raise NotFound(f"{self.service} has no dead letter {id}.")
        return document

    def having(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Those of `ids` that there are, without bodies and headers."""
        return self._unit.find(DEAD_LETTERS, {"_id": {"$in": list(ids)}}, projection=_WITHOUT_BODIES)

    def page(self, criteria: dict[str, Any], limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """Up to `limit` documents without bodies and headers, oldest first, and the cursor to the next ones."""
        found = self._unit.find(DEAD_LETTERS, criteria, sort=ORDER, limit=limit + 1, projection=_WITHOUT_BODIES)
        page = found[:limit]
        return page, cursor_of(page[-1], "parked_at") if len(found) > limit else None

    def save(self, document: dict[str, Any]) -> None:
        self._unit.save(DEAD_LETTERS, document)

    def send(self, row: dict[str, Any]) -> None:
        self._unit.send(row)

    def drop_parts(self, document: dict[str, Any]) -> None:
        """Remove what a large body has outside its document."""
        for number in range(1, document["parts"]):
            self._unit.delete(DEAD_LETTER_PARTS, f"{document['_id']}/{number}")

    def last_due(self) -> datetime.datetime | None:
        """When the last replay goes out that still waits for its turn."""
        waiting = {"pending": True, "properties": {"$exists": True}}
        rows = self._unit.find(
            OUTBOX, waiting, sort=[("next_attempt_at", -1)], limit=1, projection={"next_attempt_at": 1}
        )
        due: datetime.datetime | None = rows[0]["next_attempt_at"] - RELAY_GRACE if rows else None
        return due


ORDER = [("parked_at", 1), ("_id", 1)]


def criteria(request: dict[str, Any], now: datetime.datetime) -> dict[str, Any]:
    """The database's filter for `state`, `queue`, `event`, `reason`, `older_than_s` and the cursor `after`."""
    state = request.get("state", PARKED)
    named = (("queue", "queue"), ("event_type", "event"), ("reason", "reason"))
    found: dict[str, Any] = {name: request[asked] for name, asked in named if request.get(asked)}
    found["state"] = state
    parked_at: dict[str, Any] = {}
    if request.get("older_than_s") is not None:
        parked_at["$lte"] = now - datetime.timedelta(seconds=request["older_than_s"])
    if request.get("after"):
        moment, id = read_cursor(request["after"])
        parked_at["$gte"] = moment  # bounds the index; the rest only sorts out the first few
        found["$or"] = behind("parked_at", moment, id)
    return found | ({"parked_at": parked_at} if parked_at else {})
