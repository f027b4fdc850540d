"""Sends what a service ever announced to one consumer: out of its log, then what its log does not hold."""

import dataclasses
import datetime
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from touchstone_chassis.reconciliation.ledger import PresentState
from touchstone_chassis.unit_of_work.ids import is_ours
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import BACKFILLS, EVENT_COUNTS, EVENTS, INBOX
from touchstone_contracts.envelope import BACKFILL, amqp_properties, wrap
from touchstone_contracts.errors import Conflict, NotFound
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.topology import backfill_key, events_exchange

LOG = "log"
_SENT = ("type", "subject", "sequence", "body", "correlation_id")
_IN_ORDER = [("subject", 1), ("sequence", 1), ("_id", 1)]


@dataclasses.dataclass(frozen=True)
class Page:
    """What goes out next, and where the page behind it begins; None behind the last one."""

    messages: list[tuple[str, str, bytes, str]]
    """Id, type, body and correlation id of each."""
    position: dict[str, Any] | None


class Backfill:
    """One consumer's run, kept in the service's database: whoever goes on with it begins where the last page ended.

    A page and its place are one commit: the page is sent by the outbox.
    """

    def __init__(self, unit: UnitOfWork, service: str, present: Mapping[Any, PresentState]):
        self._unit, self._service, self._present = unit, service, present

    def get(self, consumer: str) -> dict[str, Any] | None:
        return self._unit.find_one(BACKFILLS, {"_id": consumer})

    def _announced(self, types: Sequence[str]) -> int:
        """How many events of these types went out since the log began."""
        counts = self._unit.find(EVENT_COUNTS, {"_id": {"$in": list(types)}})
        return sum(counted["count"] for counted in counts)

    def missing(self, keys: Mapping[str, str]) -> set[str]:
        """Those ids of whose keys the inbox knows nothing."""
        found = self._unit.find(INBOX, {"_id": {"$in": list(keys)}}, projection={"_id": 1}) if keys else []
        return set(keys.values()) - {keys[document["_id"]] for document in found}

    def begin(
        self, consumer: str, types: Sequence[str], run: str, boundary: str, now: datetime.datetime
    ) -> dict[str, Any]:
        """The run for these types that is under way or goes by the name `run`; else a new one of that name."""
        known = self.get(consumer)
        goes_on = known and (known["position"] is not None or known["run"] == run)
        if known and goes_on and known["types"] == list(types):
            return known
        begun = {
            "_id": consumer,
            "version": known["version"] if known else 0,
            "run": run,
            "types": list(types),
            "position": {"of": LOG, "behind": None},
            "total": self._announced(types),
            "sent": 0,
            "boundary": boundary,
            "began_at": now,
        }
        self._unit.save(BACKFILLS, begun)
        return begun

    def go_on(self, consumer: str, run: str, limit: int, now: datetime.datetime) -> tuple[dict[str, Any], Page]:
        """Send the next page. Raises NotFound and Conflict, where another run has begun."""
        known = self.get(consumer)
        if known is None:
            raise NotFound(f"No backfill of {consumer} has begun here.")
        if known["run"] != run:
            raise Conflict(f"Another backfill of {consumer} has begun here.")
        page = self._page(known, limit, now) if known["position"] else Page([], None)
        for id, type_name, body, correlation_id in page.messages:
            self._unit.send(self._row(consumer, run, id, type_name, body, correlation_id, now))
        went_on = known | {"position": page.position, "sent": known["sent"] + len(page.messages)}
        if went_on != known:
            self._unit.save(BACKFILLS, went_on)
        return went_on, page

    def _page(self, known: Mapping[str, Any], limit: int, now: datetime.datetime) -> Page:
        of, behind = known["position"]["of"], known["position"]["behind"]
        if of == LOG:
            return self._logged(known["types"], behind, limit)
        return self._told_again(known["types"], of, behind or "", limit, now)

    def _logged(self, types: Sequence[str], behind: Sequence[Any] | None, limit: int) -> Page:
        """Events as they were announced: of each aggregate in its order. What is personal has left the log."""
        wanted: dict[str, Any] = {"type": {"$in": list(types)}}
        if behind:
            subject, sequence, id = behind
            wanted["$or"] = [
                {"subject": subject, "sequence": sequence, "_id": {"$gt": id}},
                {"subject": subject, "sequence": {"$gt": sequence}},
                {"subject": {"$gt": subject}},
            ]
        projection = dict.fromkeys(_SENT, 1)
        found = self._unit.find(EVENTS, wanted, sort=_IN_ORDER, limit=limit, projection=projection)
        messages = [(e["_id"], e["type"], e["body"], e["correlation_id"]) for e in found if "body" in e]
        if len(found) < limit:
            return Page(messages, self._beginning_of(next(self._told_again_of(types), None)))
        last = found[-1]
        return Page(messages, {"of": LOG, "behind": [last["subject"], last["sequence"], last["_id"]]})

    def _told_again(self, types: Sequence[str], of: str, behind: str, limit: int, now: datetime.datetime) -> Page:
        """The present state of aggregates of which the log has no such event, or none with its body."""
        present, messages = self._present[REGISTRY[of]], []
        ids = present.ids(self._unit, behind, limit)
        logged = self._newest_logged(of, ids)
        for id in ids:
            newest = logged.get(id)
            told = present.of(self._unit, id) if newest is None or newest["personal"] else None
            if told is not None:
                messages.append(_present_message(*told, since=_since(newest, told[1]) or now))
        if len(ids) == limit:
            return Page(messages, {"of": of, "behind": ids[-1]})
        others = list(self._told_again_of(types))
        return Page(messages, self._beginning_of(next(iter(others[others.index(of) + 1 :]), None)))

    def _newest_logged(self, of: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        if not ids:
            return {}
        projection = dict.fromkeys(("subject", "sequence", "personal", "time"), 1)
        found = self._unit.find(EVENTS, {"subject": {"$in": list(ids)}, "type": of}, projection=projection)
        return {event["subject"]: event for event in sorted(found, key=lambda event: event["sequence"])}

    def _told_again_of(self, types: Sequence[str]) -> Iterator[str]:
        return (name for name in sorted(types) if REGISTRY.get(name) in self._present)

    @staticmethod
    def _beginning_of(of: str | None) -> dict[str, Any] | None:
        return None if of is None else {"of": of, "behind": None}

    def _row(
        self, consumer: str, run: str, id: str, type_name: str, body: bytes, correlation_id: str, now: datetime.datetime
    ) -> dict[str, Any]:
        """For the outbox: signed anew, since the key of then may be gone; it leaves when the broker has it."""
        return {
            "_id": f"{run}/{id}",
            "exchange": events_exchange(self._service),
            "routing_key": backfill_key(consumer, REGISTRY[type_name]),
            "type": type_name,
            "body": body,
            "properties": amqp_properties(id=id, type=type_name, correlation_id=correlation_id),
            "headers": {BACKFILL: run},
            "signature": None,
            "personal": False,  # as no event of ours it leaves no trace at all
            "pending": True,
            "attempts": 0,
            "recorded_at": now,
            "next_attempt_at": now,
        }


def _since(newest: Mapping[str, Any] | None, sequence: int) -> datetime.datetime | None:
    """When an aggregate became what it is, if the log knows of the event that said so."""
    if newest is None or newest["sequence"] != sequence or "time" not in newest:
        return None
    return datetime.datetime.fromisoformat(newest["time"])


def _present_message(event: Any, sequence: int, *, since: datetime.datetime) -> tuple[str, str, bytes, str]:
    """The same state has the same id, whenever it is told."""
    subject = getattr(event, event.subject_field)
    id = hashlib.sha256(f"{event.type_name}/{subject}/{sequence}".encode()).hexdigest()
    assert not is_ours(id)  # it is no event that was announced, and counts as none
    message = wrap(event, id=id, time=since, sequence=sequence, correlation_id=id)
    return id, event.type_name, orjson.dumps(message), id
