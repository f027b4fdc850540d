"""Keeps what a service gave up in its database, where an operator finds it; `DeadLetterDesk` is the way to it."""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from nameko import config
from nameko.extensions import DependencyProvider

from touchstone_chassis import handling, metrics
from touchstone_chassis.broker import UNREADABLE
from touchstone_chassis.committing import RELAY_GRACE
from touchstone_chassis.consuming import Delivery
from touchstone_chassis.core import Core
from touchstone_chassis.cursors import behind, cursor_of, read_cursor
from touchstone_chassis.given_up import (
    KEPT_AS,
    PARKED,
    REPLAYED,
    GivenUp,
    document_id,
    new_document,
    parked_again,
    queue_of,
    reason_of,
    split,
)
from touchstone_chassis.mongo import is_transient
from touchstone_chassis.parking import KEPT_PROPERTIES
from touchstone_chassis.units import Origin, UnitOfWork
from touchstone_chassis.work import Work, WorkEntrypoint, handled_by
from touchstone_chassis.writing import Completion
from touchstone_contracts.bookkeeping import DEAD_LETTER_PARTS, DEAD_LETTERS, OUTBOX
from touchstone_contracts.errors import NotFound
from touchstone_contracts.topology import dead_letter

log = structlog.get_logger(__name__)

_WITHOUT_BODIES = {"body": 0, "edited_body": 0, "headers": 0, "properties": 0, "unreadable": 0, "actions": 0, "keys": 0}


class DeadLetters:
    """The dead letters of one service: documents with a state (parked, replayed, discarded) and a history."""

    def __init__(self, unit: UnitOfWork, service: str, consumes: Callable[[str], bool], body_bytes_max: int):
        self.service, self.consumes, self.body_bytes_max = service, consumes, body_bytes_max
        self._unit = unit

    def keep(self, found: GivenUp, now: datetime.datetime) -> bool:
        """Keep a message, under the document that it had if it was kept before. False when this parking is known."""
        document = self._known(found)
        if document is None:
            first, *others = parts = split(found.body)
            document = new_document(found, self.service, now)
            document |= {"body": first, "parts": len(parts), "current_digest": document["digest"]}
            for number, part in enumerate(others, start=1):
                self._unit.save(DEAD_LETTER_PARTS, {"_id": f"{document['_id']}/{number}", "version": 0, "body": part})
        elif found.parking_key in document["keys"] and document["state"] != REPLAYED:
            return False  # after a replay it may be the event anew, published again since the replay was lost
        elif document["body"] is None:  # it left with the replay
            place = "body" if found.digest == document["digest"] else "edited_body"
            document = document | {place: found.body}
        self._unit.save(DEAD_LETTERS, parked_again(document, found, now))
        return True

    def _known(self, found: GivenUp) -> dict[str, Any] | None:
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
        """Up to `limit` documents without bodies and headers, oldest parking first, and the cursor to the next ones."""
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


class KeptDeadLetters(DependencyProvider):
    """Gives a worker the DeadLetters of its service, in the worker's unit of work."""

    core = Core()

    def get_dependency(self, worker_ctx: Any) -> DeadLetters:
        unit = worker_ctx.args[0].unit
        return DeadLetters(unit, self.core.service, self.core.consumer.consumes, config["message_bytes_max"])


class OnDeadLetter(WorkEntrypoint):
    """Takes what comes into the service's dead-letter queue. Acknowledged when it is durably kept, and only then.

    What the broker gave up though no handler was at fault goes back to its queue.
    """

    counted = False

    def setup(self) -> None:
        self.core.consumer.register(dead_letter(self.core.service), self.spawn, last_stop=True)

    def stop(self) -> None:
        self.core.consumer.drain()

    def carry_out(self, work: Work, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = work.subject
        structlog.contextvars.clear_contextvars()
        found = _given_up(delivery)
        try:
            if self._is_innocent(delivery, found) and self.core.parking.put_back(delivery, queue_of(found) or ""):
                return
            handling.run(
                self.core, work.unit, lambda: method(found), origin=Origin(""), complete=lambda _kept: Completion()
            )
        except handling.PutOff:
            delivery.put_off()
            return
        except Exception as error:
            if is_transient(error):
                self.core.availability.lost()
                delivery.put_off()
                return
            # Rejected, it would be lost: it stays in the queue until the connection closes, and comes again.
            log.error("dead_letter_not_kept", error=type(error).__name__, exc_info=error)
            delivery.abandon()
            return
        delivery.ack()
        metrics.DEAD_LETTERS_KEPT.labels(service=self.core.service).inc()

    def _is_innocent(self, delivery: Delivery, found: GivenUp) -> bool:
        """Whether it was only near when processes died: the broker counts each time that it was handed out."""
        queue = queue_of(found)
        consumer = self.core.consumer
        if reason_of(found) != "delivery_limit" or queue is None or not consumer.consumes(queue):
            return False
        if consumer.takes_calls(queue):  # its routing key, which named the method, is gone; and nobody waits any more
            return False
        return not self.core.starts.blames(delivery, queue)


def _given_up(delivery: Delivery) -> GivenUp:
    properties = {name: delivery.attribute(name) for name in KEPT_PROPERTIES}
    known = {name: value for name, value in properties.items() if value is not None}
    return GivenUp(delivery.body, delivery.headers, known, delivery.attribute(UNREADABLE))


def on_dead_letter() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle what the service gave up: the method gets the GivenUp."""
    return handled_by(OnDeadLetter())
