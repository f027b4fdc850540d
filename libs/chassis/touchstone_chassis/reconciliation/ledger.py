"""Reads a service's own ledger for a reconciliation: what it handled and lacks; and sends lost events again."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import amqp
import eventlet
import orjson
from nameko import config

from touchstone_chassis.amqp import connections
from touchstone_chassis.auth.signatures import FORGED, UNSIGNED
from touchstone_chassis.deadletters.letter import PARKED
from touchstone_chassis.deadletters.replay import Obstacle
from touchstone_chassis.deadletters.status import DeadLetterStatus, statuses_of
from touchstone_chassis.pagination import cursor_of, read_cursor
from touchstone_chassis.unit_of_work.announced import find_events
from touchstone_chassis.unit_of_work.outbox_rows import sent_again
from touchstone_chassis.unit_of_work.transaction import INBOX_KEPT, SURE_FOR
from touchstone_chassis.unit_of_work.unit import UnitOfWork, job_id
from touchstone_contracts.bookkeeping import DEAD_LETTERS, DEADLINES, INBOX, OUTBOX, RESTORES
from touchstone_contracts.envelope import wrap
from touchstone_contracts.errors import InvalidRequest, Unavailable
from touchstone_contracts.registry import REGISTRY

OVERDUE_MAX = 100
BROKER_WAIT_S = 4.0

Due = tuple[datetime.datetime, dict[str, Any]]
"""When a job falls due, and its payload."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PresentState:
    """How a service tells again what aggregates of one kind are now.

    `of`: the event that tells the state of the one with this id, and the version of that state; `ids`: up to so many
    ids, in order, behind this one.
    """

    of: Callable[[UnitOfWork, str], tuple[Any, int] | None]
    ids: Callable[[UnitOfWork, str, int], list[str]]


def ids_in(collection: str) -> Callable[[UnitOfWork, str, int], list[str]]:
    """The ids of all aggregates that are kept there, in order, as `PresentState` has them."""

    def ids(unit: UnitOfWork, after: str, limit: int) -> list[str]:
        behind = {"_id": {"$gt": after}}
        found = unit.find(collection, behind, sort=[("_id", 1)], limit=limit, projection={"_id": 1})
        return [document["_id"] for document in found]

    return ids


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReconciliationDeclarations:
    """What a service lets a reconciliation see of its domain, and have done again.

    `facts`: by name, what is known of the things with these keys. `announced_in_full`: groups of event classes that
    together announce every version of one kind of aggregate. `deadlines`: by kind, when the deadline of this key ought
    to fall due, or None when it ought not to be there; its handler must do nothing where nothing is left to do.
    `present`: by event class, how an aggregate's present state is told by such an event: of each record that there is.
    """

    facts: Mapping[str, Callable[[UnitOfWork, Sequence[str]], list[dict[str, Any]]]]
    announced_in_full: Sequence[Sequence[Any]] = ()
    deadlines: Mapping[str, Callable[[UnitOfWork, str], Due | None]] = dataclasses.field(default_factory=dict)
    present: Mapping[Any, PresentState] = dataclasses.field(default_factory=dict)


class Ledger:
    """Outbox, inbox, dead letters and jobs of one service, seen by one unit of work.

    `handlers` maps each event type that comes in to its queue and the name of its handler.
    """

    def __init__(
        self,
        unit: UnitOfWork,
        service: str,
        handlers: Mapping[str, tuple[str, str]],
        declared: ReconciliationDeclarations,
    ):
        self.service, self.handlers, self.declared = service, handlers, declared
        self._unit = unit

    def overdue(self, before: datetime.datetime) -> list[dict[str, Any]]:
        """Up to a hundred events that have waited for the broker since before that moment, oldest first."""
        waiting = {"pending": True, "recorded_at": {"$lt": before}}
        wanted = {"type": 1, "recorded_at": 1, "waits_since": 1}
        rows = self._unit.find(OUTBOX, waiting, sort=[("recorded_at", 1)], limit=OVERDUE_MAX, projection=wanted)
        late = [row for row in rows if row.get("waits_since", row["recorded_at"]) < before]
        return [{"id": row["_id"], "type": row["type"], "recorded_at": row["recorded_at"]} for row in late]

    def restored_at(self) -> datetime.datetime | None:
        """When this database was put back to an older state last, as far as anybody noted it."""
        found = self._unit.find(RESTORES, {}, sort=[("_id", -1)], limit=1, projection={"at": 1})
        return found[0]["at"] if found else None

    def not_signed(self) -> list[dict[str, Any]]:
        """Up to a hundred parked events that their producer did not sign."""
        which = {"state": PARKED, "reason": {"$in": [UNSIGNED, FORGED]}}
        wanted = dict.fromkeys(("event_id", "event_type", "reason"), 1)
        found = self._unit.find(DEAD_LETTERS, which, sort=[("parked_at", 1)], limit=OVERDUE_MAX, projection=wanted)
        return [{"id": letter.pop("_id"), **letter} for letter in found]

    def processed(
        self, since: datetime.datetime, until: datetime.datetime | None, after: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Events that were handled from `since` on. Two pages may share those of one moment.

        The inbox keeps no type: `type` is one that the handler takes of its producer, and an event whose handler takes
        types of several producers is named once for each.
        """
        beginning = _end_of(since)  # by the index that there is for their end
        if after:
            beginning = max(beginning, read_cursor(after)[0])
        lasting = {"$gte": beginning} | ({"$lt": _end_of(until)} if until else {})
        rows = self._unit.find(INBOX, {"expires_at": lasting}, sort=[("expires_at", 1)], limit=limit + 1)
        page = rows[:limit]
        handled = [row for row in page if "backfill" not in row]  # out of a log: nothing came of it here
        types: dict[str, dict[str, str]] = {}
        for type_name, (_, handler) in self.handlers.items():
            types.setdefault(handler, {}).setdefault(type_name.partition(".")[0], type_name)  # the newest version
        items = []
        for row in handled:
            handler, _, id = row["_id"].removeprefix(f"{self.service}.").partition("/")
            items += [{"id": id, "type": name, "at": row["at"]} for name in types.get(handler, {}).values()]
        return items, cursor_of(page[-1], "expires_at") if len(rows) > limit else None

    def unprocessed(self, events: Mapping[str, Sequence[str]], now: datetime.datetime) -> list[dict[str, Any]]:
        """Those events (ids by type) that a handler here ought to have met and has not.

        `state`: missing, parked, replaying (an operator sent it back, and it is on its way) or discarded. `edited`: a
        dead letter of it has, or had, another body than its producer gave it.
        """
        keys = {
            f"{self.service}.{self.handlers[name][1]}/{id}": (id, name)
            for name, ids in events.items()
            if name in self.handlers
            for id in ids
        }
        met = {row["_id"] for row in self._unit.find(INBOX, {"_id": {"$in": list(keys)}}, projection={"_id": 1})}
        left = {pair for key, pair in keys.items() if key not in met}
        became = statuses_of(self._unit, {id for id, _ in left}, now)
        return [
            {"id": id, "type": name, **dataclasses.asdict(became.get(id, DeadLetterStatus()))}
            for id, name in sorted(left)
        ]

    def facts(self, name: str, keys: Sequence[str]) -> list[dict[str, Any]]:
        """Raises InvalidRequest for a name that the service does not declare."""
        if name not in self.declared.facts:
            raise InvalidRequest(f"{self.service} declares no {name}: {', '.join(self.declared.facts)}.")
        return self.declared.facts[name](self._unit, keys)

    def publish_again(
        self, ids: Sequence[str], *, who: str, why: str, now: datetime.datetime
    ) -> list[tuple[str, Obstacle | None]]:
        """Let events go out once more, with their ids; or say of each why not."""
        rows = {row["_id"]: row for row in find_events(self._unit, {"_id": {"$in": list(ids)}})}
        return [(id, self._send_again(id, rows.get(id), {"at": now, "who": who, "why": why})) for id in ids]

    def _send_again(self, id: str, row: dict[str, Any] | None, action: dict[str, Any]) -> Obstacle | None:
        now = action["at"]
        if row is None:
            return "not_found", f"{self.service} has no event {id}."
        if row["pending"]:
            return "pending", "It waits for the broker as it is."
        if now - row["recorded_at"] > SURE_FOR:
            return "too_old", "Its consumers may not know any more whether it took effect: look, then act by hand."
        body = row.get("body") or self._present_body(row)
        if body is None:
            return "body_gone", "Its body left with the first publication and there is no present state to tell."
        again = sent_again(row, now) | {"republished": [*row.get("republished", ()), action], "body": body}
        # In one transaction with the new row: whoever reads sees the one or the other.
        self._unit.delete(OUTBOX, id)
        self._unit.send(again)
        return None

    def _present_body(self, row: dict[str, Any]) -> bytes | None:
        """A body for an event whose own had to leave: what its subject is now, as of when it became so."""
        present = self.declared.present.get(REGISTRY.get(row["type"]))
        told = present.of(self._unit, row["subject"]) if present else None
        if told is None:
            return None
        event, version = told
        about = {"subject": row["subject"], "type": row["type"]}
        newest = find_events(self._unit, about, sort=[("recorded_at", -1)], limit=1)[0]
        message = wrap(
            event,
            id=row["_id"],
            time=_time_of(newest),
            sequence=version,
            correlation_id=row["correlation_id"],
            causation_id=row["causation_id"],
        )
        return orjson.dumps(message)

    def restore_deadline(self, kind: str, key: str) -> Obstacle | None:
        """Set a job that ought to be there and is not; or say why not."""
        teller = self.declared.deadlines.get(kind)
        if teller is None:
            return "unknown_kind", f"{self.service} declares no deadlines of the kind {kind}."
        due = teller(self._unit, key)
        if due is None:
            return "not_due", "Nothing is left to do."
        if self._unit.find_one(DEADLINES, {"_id": job_id(kind, key)}, {"_id": 1}):
            return "there_is_one", "The deadline is there."
        self._unit.schedule(kind, key, *due)
        return None


def missing_jobs(unit: UnitOfWork, kind: str, keys: Sequence[str]) -> set[str]:
    """Those keys that have no job of that kind."""
    wanted = {job_id(kind, key): key for key in keys}
    there = {row["_id"] for row in unit.find(DEADLINES, {"_id": {"$in": list(wanted)}}, projection={"_id": 1})}
    return {key for id, key in wanted.items() if id not in there}


def queue_lengths(names: Sequence[str]) -> dict[str, int | None]:
    """How many messages lie ready in each queue; None for one that is not there. Raises Unavailable."""
    lengths: dict[str, int | None] = {}
    connection = None
    try:
        with eventlet.Timeout(BROKER_WAIT_S, TimeoutError("the broker did not answer")):
            connection = connections.connect(config["AMQP_URI"], name="touchstone reconciliation")
            for name in names:
                lengths[name] = _length(connection, name)
    except connections.CONNECTION_ERRORS as error:
        raise Unavailable(f"The broker cannot be asked at the moment: {type(error).__name__}.") from None
    finally:
        connections.close_quietly(connection)
    return lengths


def _length(connection: amqp.Connection, name: str) -> int | None:
    channel = connection.channel()
    try:
        length = int(channel.queue_declare(name, passive=True).message_count)
    except amqp.NotFound:
        return None
    channel.close()
    return length


def _time_of(row: dict[str, Any]) -> datetime.datetime:
    """When the event of an outbox row happened: of one without a body, what was noted as the body left."""
    text = orjson.loads(row["body"])["time"] if row.get("body") else row.get("time")
    return datetime.datetime.fromisoformat(text) if text else row["recorded_at"]


def _end_of(handled_at: datetime.datetime) -> datetime.datetime:
    """Until when the inbox keeps what was handled then; at most the last moment that there is."""
    last = datetime.datetime.max.replace(tzinfo=datetime.UTC)
    return handled_at + INBOX_KEPT if handled_at < last - INBOX_KEPT else last
