"""The RPC methods by which an operator fills a consumer from its producers' logs; a service class inherits them."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from nameko import config
from nameko.extensions import DependencyProvider

from touchstone_chassis.backfill.run import Backfill
from touchstone_chassis.handlers.entrypoint import entrypoints_of
from touchstone_chassis.handlers.events import OnEvent, backfilled_key, handlers_of
from touchstone_chassis.mongo.server_time import RealTime
from touchstone_chassis.reconciliation.ledger import queue_lengths
from touchstone_chassis.rpc.method import command, query
from touchstone_chassis.rpc.requests import name_field
from touchstone_chassis.unit_of_work.ids import first_id_at, new_id
from touchstone_contracts.callers import Caller
from touchstone_contracts.errors import InvalidRequest
from touchstone_contracts.fields import Matching, identifier
from touchstone_contracts.registry import REGISTRY
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.topology import event_queue, retry_queue
from touchstone_contracts.versions import versions

PAGE_MAX = 200
IDS_MAX = 1_000


def _type_name() -> Matching:
    form = "an event's type, such as service.something_happened.v1"
    return Matching(r"[a-z_.]+\.v[0-9]+\Z", code="invalid_type", form=form, longest=100)


class BeginBackfill(Schema):
    """`types`: which of this service's the consumer handles; `run`: the one that other producers answered."""

    consumer = identifier(required=True)
    run = identifier(load_default=None, allow_none=True)
    types = fields.List(_type_name(), required=True, validate=validate.Length(1, 200))


class ContinueBackfill(Schema):
    consumer = identifier(required=True)
    run = identifier(required=True)
    limit = fields.Integer(strict=True, load_default=PAGE_MAX, validate=validate.Range(1, PAGE_MAX))


class ListNotBackfilled(Schema):
    """`events`: ids by type, a thousand of them at most."""

    run = name_field(required=True)
    events = fields.Dict(keys=name_field(), values=fields.List(name_field()), required=True)

    @validates_schema
    def _few(self, data: dict[str, Any], **_: Any) -> None:
        if sum(map(len, data["events"].values())) > IDS_MAX:
            raise ValidationError({"events": [f"At most {IDS_MAX} ids in all."]})


class BackfillProvider(DependencyProvider):
    """Gives a worker the Backfill of its service, in the worker's unit of work."""

    def get_dependency(self, worker_ctx: Any) -> Backfill:
        service = self.container.service_cls
        return Backfill(worker_ctx.args[0].unit, service.name, service.reconciliation.present)


class BackfillApi:
    """What every service offers as a producer, whose log is sent to one consumer, and as that consumer."""

    name: str
    backfill = BackfillProvider()
    real_time = RealTime()

    @command(BeginBackfill(), roles=(OPERATOR,))
    def begin_backfill(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Begin to send what this service announced to one consumer, or go on with what was begun.

        A run of that name which is done is answered as done: other producers have not come to its end.
        """
        types = sorted(request["types"])
        foreign = [name for name in types if getattr(REGISTRY.get(name), "producer", None) != self.name]
        if foreign:
            raise InvalidRequest(f"{self.name} announces no {', '.join(foreign)}.")
        now = self.real_time.now()
        boundary = first_id_at(now.timestamp())
        return _told(self.backfill.begin(request["consumer"], types, request["run"] or new_id(), boundary, now))

    @command(ContinueBackfill(), roles=(OPERATOR,))
    def continue_backfill(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Send the next page: ids by type, in the order of each aggregate; `done` with the last one."""
        now = self.real_time.now()
        run, page = self.backfill.go_on(request["consumer"], request["run"], request["limit"], now)
        sent: dict[str, list[str]] = {}
        for id, type_name, *_ in page.messages:
            sent.setdefault(type_name, []).append(id)
        return _told(run) | {"events": sent}

    @query(Schema(), roles=(OPERATOR,))
    def get_backfill_target(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """As a consumer: which event types are handled here, which of them by keeping a copy, and what waits for it."""
        entries = list(entrypoints_of(type(self), OnEvent))
        copied = {v.type_name for e in entries if e.copies for event in e.event_classes for v in versions(event)}
        consumed = sorted(handlers_of(type(self)))
        queues = {name: event_queue(self.name, name) for name in consumed}
        retries = [retry_queue(self.name, delay_s) for delay_s in config["retry_delays_s"]]
        lengths = queue_lengths([*queues.values(), *retries])
        return {
            "consumes": consumed,
            "copies": sorted(copied),
            "waiting": {name: lengths[queue] for name, queue in queues.items()},
            "retrying": sum(lengths[queue] or 0 for queue in retries),
        }

    @query(ListNotBackfilled(), roles=(OPERATOR,))
    def list_not_backfilled(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """As a consumer: which of these events of a run are not handled here yet."""
        handlers = handlers_of(type(self))
        keys = {
            backfilled_key(f"{self.name}.{handlers[name]}/{id}", request["run"]): id
            for name, ids in request["events"].items()
            if name in handlers
            for id in ids
        }
        return {"ids": sorted(self.backfill.missing(keys))}


def _told(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": run["run"],
        "total": run["total"],
        "sent": run["sent"],
        "boundary": run["boundary"],
        "began_at": run["began_at"],
        "done": run["position"] is None,
    }
