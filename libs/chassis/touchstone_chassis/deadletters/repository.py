"""Keeps what a service gave up in its database, where an operator finds it; `DeadLetterApi` is the way to it."""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from nameko import config
from nameko.extensions import DependencyProvider

from touchstone_chassis.amqp.connections import UNREADABLE
from touchstone_chassis.consuming.consumer import Delivery
from touchstone_chassis.consuming.retry import KEPT_PROPERTIES
from touchstone_chassis.deadletters.letter import (
    KEPT_AS,
    PARKED,
    REPLAYED,
    DeadLetter,
    document_id,
    new_document,
    parked_again,
    queue_of,
    reason_of,
    split,
)
from touchstone_chassis.handlers import execution
from touchstone_chassis.handlers.entrypoint import EntrypointAdapter, Invocation, handled_by
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.mongo.client import is_transient
from touchstone_chassis.observability import metrics
from touchstone_chassis.pagination import behind, cursor_of, read_cursor
from touchstone_chassis.unit_of_work.committer import RELAY_GRACE
from touchstone_chassis.unit_of_work.transaction import CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
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

    def keep(self, found: DeadLetter, now: datetime.datetime) -> bool:
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


class DeadLettersProvider(DependencyProvider):
    """Gives a worker the DeadLetters of its service, in the worker's unit of work."""

    resources = Resources()

    def get_dependency(self, worker_ctx: Any) -> DeadLetters:
        unit = worker_ctx.args[0].unit
        return DeadLetters(unit, self.resources.service, self.resources.consumer.consumes, config["message_bytes_max"])


class OnDeadLetter(EntrypointAdapter):
    """Takes what comes into the service's dead-letter queue. Acknowledged when it is durably kept, and only then.

    What the broker gave up though no handler was at fault goes back to its queue.
    """

    counted = False

    def setup(self) -> None:
        self.resources.consumer.register(dead_letter(self.resources.service), self.spawn, last_stop=True)

    def stop(self) -> None:
        self.resources.consumer.drain()

    def handle(self, work: Invocation, method: Callable[..., Any], service: Any) -> None:
        delivery: Delivery = work.subject
        structlog.contextvars.clear_contextvars()
        found = _given_up(delivery)
        try:
            if self._is_innocent(delivery, found) and self.resources.retry_policy.return_to_queue(
                delivery, queue_of(found) or ""
            ):
                return
            execution.run(
                self.resources,
                work.unit,
                lambda: method(found),
                origin=Origin(""),
                complete=lambda _kept: CompletionRecord(),
            )
        except execution.Deferred:
            delivery.defer()
            return
        except Exception as error:
            if is_transient(error):
                self.resources.circuit_breaker.trip()
                delivery.defer()
                return
            # Rejected, it would be lost: it stays in the queue until the connection closes, and comes again.
            log.error("dead_letter_not_kept", error=type(error).__name__, exc_info=error)
            delivery.abandon()
            return
        delivery.ack()
        metrics.DEAD_LETTERS_KEPT.labels(service=self.resources.service).inc()

    def _is_innocent(self, delivery: Delivery, found: DeadLetter) -> bool:
        """Whether it was only near when processes died: the broker counts each time that it was handed out."""
        queue = queue_of(found)
        consumer = self.resources.consumer
        if reason_of(found) != "delivery_limit" or queue is None or not consumer.consumes(queue):
            return False
        if consumer.takes_calls(queue):  # its routing key, which named the method, is gone; and nobody waits any more
            return False
        return not self.resources.poison.blames(delivery, queue)


def _given_up(delivery: Delivery) -> DeadLetter:
    properties = {name: delivery.attribute(name) for name in KEPT_PROPERTIES}
    known = {name: value for name, value in properties.items() if value is not None}
    return DeadLetter(delivery.body, delivery.headers, known, delivery.attribute(UNREADABLE))


def on_dead_letter() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Handle what the service gave up: the method gets the DeadLetter."""
    return handled_by(OnDeadLetter())
