"""Keeps the differences that a reconciliation reported, announces each once, and counts those that are open."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import eventlet
import structlog
from eventlet.event import Event
from pymongo.database import Database

from touchstone_chassis.observability import metrics
from touchstone_chassis.observability.redaction import masked
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import DIFFERENCES

log = structlog.get_logger(__name__)

OPEN, SETTLED, ACCEPTED = STATES = ("open", "settled", "accepted")
SETTLED_KEPT = datetime.timedelta(days=365)
COUNT_EVERY_S = 5.0
SHOWN_MAX = 1000


class Differences:
    """The differences of one service: documents with a state, found again by the id that the finder gave them.

    `types` are what the service announces them by: `touchstone_contracts.events.differences.register`.
    """

    def __init__(self, unit: UnitOfWork, types: tuple[Any, Any]):
        self._unit = unit
        self._found, self._settled = types

    def report(self, found: Sequence[Mapping[str, Any]], settled: Iterable[str], now: datetime.datetime) -> list[str]:
        """Note what is new, announce it, and end what is settled; the ids of what is new here.

        What a person accepted is not new as long as the same is said of it.
        """
        found = list({difference["id"]: difference for difference in found}.values())
        known = self._having([difference["id"] for difference in found])
        new = [d for d in found if not _is_known(known.get(d["id"]), d)]
        for difference in new:
            self._open(known.get(difference["id"]), difference, now)
        ended = set(settled) - {difference["id"] for difference in found}
        for document in self._having(sorted(ended)).values():
            if document["state"] in (OPEN, ACCEPTED):
                self._settle(document, now)
        return [difference["id"] for difference in new]

    def accept(self, ids: Sequence[str], *, who: str, why: str, now: datetime.datetime) -> dict[str, str]:
        """Have open differences counted and announced no more, since a person dealt with them.

        They stay accepted until they are seen no more, or until something else is said of them. By id, why the others
        cannot be accepted: `not_found`, `settled` or `accepted`.
        """
        known = self._having(list(dict.fromkeys(ids)))
        refused = {id: known[id]["state"] if id in known else "not_found" for id in ids}
        for document in known.values():
            if document["state"] == OPEN:
                del refused[document["_id"]]
                accepted = {"state": ACCEPTED, "accepted_at": now, "accepted_by": who, "why": why}
                self._end(document | accepted | {"expires_at": now + SETTLED_KEPT}, now)
        return refused

    def listed(self, state: str, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """Differences in that state by kind, and the cursor to the next page."""
        filter: dict[str, Any] = {"state": state}
        if after:
            kind, _, id = after.partition("/")
            filter["$or"] = [{"kind": {"$gt": kind}}, {"kind": kind, "_id": {"$gt": id}}]
        found = self._unit.find(DIFFERENCES, filter, sort=[("kind", 1), ("_id", 1)], limit=limit + 1)
        page = found[:limit]
        more = len(found) > limit
        return [_shown(d) for d in page], f"{page[-1]['kind']}/{page[-1]['_id']}" if more else None

    def _having(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        return {d["_id"]: d for d in self._unit.find(DIFFERENCES, {"_id": {"$in": list(ids)}})} if ids else {}

    def _open(self, known: Mapping[str, Any] | None, difference: Mapping[str, Any], now: datetime.datetime) -> None:
        document = {
            "_id": difference["id"],
            "version": known["version"] if known else 0,
            "kind": difference["kind"],
            "about": difference["about"],
            "sentence": difference["sentence"],
            "state": OPEN,
            "found_at": now,
            "settled_at": None,
            "times": (known["times"] if known else 0) + 1,
        }
        told = {name: difference[name] for name in ("kind", "about", "sentence")}
        self._save(document, self._found, told | {"found_at": now})
        log.error("difference_found", difference_id=difference["id"], kind=difference["kind"])

    def _settle(self, document: dict[str, Any], now: datetime.datetime) -> None:
        settled = document | {"state": SETTLED, "settled_at": now, "expires_at": now + SETTLED_KEPT}
        if document["state"] == ACCEPTED:  # its end was announced then
            self._unit.save(DIFFERENCES, settled)
        else:
            self._end(settled, now)

    def _end(self, document: dict[str, Any], now: datetime.datetime) -> None:
        self._save(document, self._settled, {"kind": document["kind"], "settled_at": now})

    def _save(self, document: dict[str, Any], event_class: Any, told: dict[str, Any]) -> None:
        self._unit.save(DIFFERENCES, document, [event_class(difference_id=document["_id"], **told)])


def _is_known(document: Mapping[str, Any] | None, difference: Mapping[str, Any]) -> bool:
    """Whether a difference need not be announced. Its id says what it is about; what is wrong there may change."""
    if document is None or document["state"] == SETTLED:
        return False
    return document["state"] == OPEN or document["sentence"] == difference["sentence"]


def _shown(document: Mapping[str, Any]) -> dict[str, Any]:
    names = ("kind", "about", "sentence", "state", "found_at", "settled_at", "times")
    accepted = {name: document.get(name) for name in ("accepted_at", "accepted_by", "why")}
    return {"id": document["_id"], **{name: document[name] for name in names}, **masked(accepted)}


class Counting:
    """Sets the gauge of open differences from the database every few seconds, whichever replica was told of them."""

    def __init__(self, service: str):
        self._service = service
        self._kinds: set[str] = set()
        self._stopped = Event()

    def run(self, database: Any) -> None:
        """Count until stopped. `database` gives the pymongo database."""
        while not self._stopped.ready():
            try:
                self.count(database())
            except (Exception, eventlet.Timeout) as error:  # at the next turn
                log.info("differences_not_counted", error=type(error).__name__)
            with eventlet.Timeout(COUNT_EVERY_S, False):
                self._stopped.wait()

    def count(self, database: Database) -> None:
        counted = {
            row["_id"]: row["count"]
            for row in database[DIFFERENCES].aggregate(
                [{"$match": {"state": OPEN}}, {"$group": {"_id": "$kind", "count": {"$sum": 1}}}]
            )
        }
        self._kinds |= set(counted)
        for kind in self._kinds:
            metrics.DIFFERENCES.labels(service=self._service, kind=kind).set(counted.get(kind, 0))

    def stop(self) -> None:
        if not self._stopped.ready():
            self._stopped.send()
