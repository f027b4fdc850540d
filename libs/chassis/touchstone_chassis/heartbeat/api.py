"""The RPC methods by which a service says how far it is with its producers' events; a service class inherits them."""

from typing import Any

from marshmallow import Schema, fields
from nameko.extensions import DependencyProvider

from touchstone_chassis.heartbeat import counts
from touchstone_chassis.heartbeat.heartbeats import Heartbeats
from touchstone_chassis.rpc.method import command, query
from touchstone_contracts.bookkeeping import HEARTBEATS
from touchstone_contracts.callers import Caller
from touchstone_contracts.fields import Matching, identifier
from touchstone_contracts.roles import OPERATOR


def _event_name() -> Matching:
    form = "an event's name, such as service.something_happened"
    return Matching(r"[a-z_.]+\Z", code="invalid_name", form=form, longest=100)


class SettleCounts(Schema):
    """`counts`: how many events of each name the producer had committed with an id below `boundary`."""

    producer = identifier(required=True)
    boundary = identifier(required=True)
    counts = fields.Dict(keys=_event_name(), values=fields.Integer(strict=True), required=True)


class CountEvents(Schema):
    """`boundary`: an id; those of events are in the order of time."""

    boundary = identifier(required=True)


class HeartbeatsProvider(DependencyProvider):
    """Gives a worker the Heartbeats of its service."""

    heartbeats = Heartbeats()

    def get_dependency(self, _worker_ctx: Any) -> Heartbeats:
        return self.heartbeats


class FreshnessApi:
    """What every consumer tells of its producers, by whose heartbeats it knows whether it has handled all."""

    heartbeats = HeartbeatsProvider()

    @query(Schema(), roles=(OPERATOR,))
    def get_freshness(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Of each producer: `in_step_at`, the last moment of which all is handled here; else since when what is
        lacking, and how much of it is parked. `counted`: whether that is known at all, or only after a backfill."""
        beats = self.heartbeats
        return {
            "producers": [
                {
                    "producer": standing.producer,
                    "in_step_at": standing.in_step_at,
                    "behind_since": standing.behind_since,
                    "lacking": standing.lacking,
                    "parked": {name: beats.parked[name] for name in standing.lacking if name in beats.parked},
                    "heard_at": standing.heard_at,
                    "counted": standing.producer in beats.settled,
                }
                for standing in beats.standings.values()
            ]
        }

    @query(CountEvents(), roles=(OPERATOR,))
    def count_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """As a producer: how many events of each name were committed with an id below the boundary."""
        return {"counts": counts.committed_before(self.heartbeats.resources.mongo.database, request["boundary"])}

    @command(SettleCounts(), roles=(OPERATOR,))
    def settle_counts(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """As a consumer, after a backfill: what the producer had committed before is handled here."""
        beats = self.heartbeats
        database = beats.resources.mongo.database
        counts.settle(database, beats.handlers, beats.resources.service, request["counts"], request["boundary"])
        settled = database[HEARTBEATS].update_one({"_id": request["producer"]}, {"$set": {"settled": True}})
        return {"heard": bool(settled.matched_count)}
