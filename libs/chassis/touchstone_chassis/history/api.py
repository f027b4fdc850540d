"""The RPC methods by which people follow events and see what holds them up; a service class inherits them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from touchstone_chassis.deadletters.replay import obstacle_of_queue
from touchstone_chassis.handlers.events import handlers_of
from touchstone_chassis.handlers.stored import Stored
from touchstone_chassis.history.reader import EventHistory
from touchstone_chassis.mongo.server_time import RealTime
from touchstone_chassis.rpc.method import query
from touchstone_contracts.callers import Caller
from touchstone_contracts.moments import Moment
from touchstone_contracts.roles import FOLLOWERS
from touchstone_contracts.topology import event_queue

HINDRANCES_MAX = 200
_SELECTORS = ("ids", "subjects", "caused_by", "since")
_IDS = validate.Length(1, 500)


def _id() -> fields.String:
    return fields.String(validate=validate.Length(1, 300))


class FindEvents(Schema):
    """One of `ids`, `subjects`, `caused_by` (ids of causes) or `since` (when they were recorded), and `types`."""

    ids = fields.List(_id(), validate=_IDS)
    subjects = fields.List(_id(), validate=_IDS)
    caused_by = fields.List(_id(), validate=_IDS)
    since = Moment()
    types = fields.List(_id(), validate=_IDS)
    limit = fields.Integer(strict=True, load_default=200, validate=validate.Range(1, 500))
    after = _id()

    @validates_schema
    def _one_selector(self, data: dict[str, Any], **_: Any) -> None:
        if len([name for name in _SELECTORS if name in data]) != 1:
            raise ValidationError({"ids": [f"Give one of {', '.join(_SELECTORS)}."]})


class TraceEvents(Schema):
    ids = fields.List(_id(), required=True, validate=_IDS)


class HistoryApi:
    """What every service tells of the events that it announced and consumed, for whoever follows a case."""

    name: str
    clock: Any
    event_history = Stored(EventHistory)
    real_time = RealTime()

    @query(FindEvents(), roles=FOLLOWERS)
    def find_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Events of this service: when recorded and published, by which cause, and what they say. Kept for good."""
        found, after = self.event_history.events(request)
        return {"items": found, "next": after}

    @query(TraceEvents(), roles=FOLLOWERS)
    def trace_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """What this service did with events of any service: when it processed them, and what it gave up of them.

        `consumes` lists the event types that it handles: of one of these, a missing time says that it has not yet.
        """
        handlers = handlers_of(type(self))
        return {
            "processed": self.event_history.processed(self.name, sorted(set(handlers.values())), request["ids"]),
            "dead_letters": self.event_history.dead_letters(request["ids"]),
            "consumes": sorted(handlers),
        }

    @query(Schema(), roles=FOLLOWERS)
    def list_hindrances(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """What does not go on here: unpublished messages, parked dead letters, jobs that fail or are overdue.

        The oldest of each, at most 200; `more` says that there are others. A letter's `obstacle` says why it can never
        be replayed, if so.
        """
        now = self.real_time.now()
        found = {
            "unpublished": self.event_history.unpublished(now, HINDRANCES_MAX + 1),
            "parked": self.event_history.parked(HINDRANCES_MAX + 1),
            "deadlines": self.event_history.late_deadlines(self.clock.now(), now, HINDRANCES_MAX + 1),
        }
        consumed = {event_queue(self.name, type_name) for type_name in handlers_of(type(self))}
        for letter in found["parked"]:
            queue = letter["queue"]  # none where nobody knows which: an event may be made of it
            obstacle = obstacle_of_queue(queue, self.name, consumed=queue in consumed) if queue else None
            letter["obstacle"] = {"code": obstacle[0], "message": obstacle[1]} if obstacle else None
        for job in found["deadlines"]:
            job |= self.job_details(job["kind"], job["key"])
        shown = {name: items[:HINDRANCES_MAX] for name, items in found.items()}
        return shown | {"more": any(len(items) > HINDRANCES_MAX for items in found.values())}

    def job_details(self, kind: str, key: str) -> dict[str, Any]:
        """What else a person should see of a job that is late. A service that has such jobs says so."""
        return {}
