"""The RPC methods by which a service's ledger is compared with the others'; a service class inherits them."""

import datetime
import functools
from typing import Any

import structlog
from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from nameko import config
from nameko.extensions import DependencyProvider

from touchstone_chassis.handlers.events import handlers_of
from touchstone_chassis.mongo.server_time import RealTime
from touchstone_chassis.reconciliation.ledger import Ledger, ReconciliationDeclarations, queue_lengths
from touchstone_chassis.rpc.method import command, query
from touchstone_chassis.rpc.requests import Why, name_field
from touchstone_contracts.callers import Caller
from touchstone_contracts.moments import Moment
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.topology import event_queue, retry_queue

log = structlog.get_logger(__name__)

IDS_MAX = 1000
REPUBLISHED_MAX = 200


def _ids(most: int = IDS_MAX, **kwargs: Any) -> fields.List:
    return fields.List(name_field(), validate=validate.Length(1, most), **kwargs)


class GetReconciliationState(Schema):
    overdue_s = fields.Integer(strict=True, load_default=300, validate=validate.Range(1, 10**7))


class ListProcessedEvents(Schema):
    since, until = Moment(required=True), Moment(load_default=None, allow_none=True)
    limit = fields.Integer(strict=True, load_default=IDS_MAX, validate=validate.Range(1, IDS_MAX))
    after = name_field(load_default=None)


class ListUnprocessedEvents(Schema):
    """`events`: ids by type, a thousand of them at most."""

    events = fields.Dict(keys=name_field(), values=_ids(), required=True)

    @validates_schema
    def _few(self, data: dict[str, Any], **_: Any) -> None:
        if sum(map(len, data["events"].values())) > IDS_MAX:
            raise ValidationError({"events": [f"At most {IDS_MAX} ids in all."]})


class ListFacts(Schema):
    name = name_field(required=True)
    keys = _ids(500, required=True)


class RepublishEvents(Why):
    ids = _ids(REPUBLISHED_MAX, required=True)


class RestoreDeadlines(Why):
    kind = name_field(required=True)
    keys = _ids(REPUBLISHED_MAX, required=True)


class LedgerProvider(DependencyProvider):
    """Gives a worker the Ledger of its service, in the worker's unit of work."""

    def get_dependency(self, worker_ctx: Any) -> Ledger:
        service = self.container.service_cls
        return Ledger(worker_ctx.args[0].unit, service.name, _received(service), service.reconciliation)


@functools.cache
def _received(service: Any) -> dict[str, tuple[str, str]]:
    """Queue and handler of each event type that comes in, in each of its versions."""
    handlers = handlers_of(service)
    return {name: (event_queue(service.name, name), handler) for name, handler in handlers.items()}


class ReconciliationApi:
    """What every service offers the operator's reconciliation, beside `find_events`: ids and states, never a body.

    A service says in its attribute `reconciliation` what else may be compared, and what may be done again.
    """

    ledger = LedgerProvider()
    real_time = RealTime()
    reconciliation = ReconciliationDeclarations(facts={})

    @query(GetReconciliationState(), roles=(OPERATOR,))
    def get_reconciliation_state(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Which event types the service consumes, which facts it declares, what waits too long for the broker, and
        what nobody signed who may tell it."""
        declared = self.ledger.declared
        before = self.real_time.now() - datetime.timedelta(seconds=request["overdue_s"])
        return {
            "consumes": sorted(self.ledger.handlers),
            "facts": sorted(declared.facts),
            "announced_in_full": [[e.type_name for e in group] for group in declared.announced_in_full],
            "overdue": self.ledger.overdue(before),
            "restored_at": self.ledger.restored_at(),
            "not_signed": self.ledger.not_signed(),
        }

    @query(ListProcessedEvents(), roles=(OPERATOR,))
    def list_processed_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Events that the service has handled from a moment on, oldest first."""
        items, after = self.ledger.processed(request["since"], request["until"], request["after"], request["limit"])
        return {"items": items, "next": after}

    @query(ListUnprocessedEvents(), roles=(OPERATOR,))
    def list_unprocessed_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Which of these events the service ought to have handled and has not, and what its queues still hold."""
        ledger = self.ledger
        items = ledger.unprocessed(request["events"], self.real_time.now())
        queues = {item["type"]: ledger.handlers[item["type"]][0] for item in items if item["state"] == "missing"}
        retries = [retry_queue(ledger.service, delay_s) for delay_s in config["retry_delays_s"]] if queues else []
        lengths = queue_lengths([*queues.values(), *retries]) if queues else {}
        return {
            "items": items,
            "queues": {type_name: lengths[queue] for type_name, queue in queues.items()},
            "retrying": sum(lengths[queue] or 0 for queue in retries),
        }

    @query(ListFacts(), roles=(OPERATOR,))
    def list_facts(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """What the service knows of the things with these keys; `name` is one of the state's `facts`."""
        return {"items": self.ledger.facts(request["name"], request["keys"])}

    @command(RepublishEvents(), roles=(OPERATOR,))
    def republish_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Let events go out once more, with their ids: whoever handled one knows it and does nothing."""
        ids, why = list(dict.fromkeys(request["ids"])), request["why"]
        outcomes = self.ledger.publish_again(ids, who=str(caller), why=why, now=self.real_time.now())
        return _outcomes("republished", outcomes, caller, why)

    @command(RestoreDeadlines(), roles=(OPERATOR,))
    def restore_deadlines(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Set jobs that ought to be there and are not."""
        kind, ledger = request["kind"], self.ledger
        outcomes = [(key, ledger.restore_deadline(kind, key)) for key in dict.fromkeys(request["keys"])]
        return _outcomes("restored", outcomes, caller, request["why"])


def _outcomes(
    done: str, outcomes: list[tuple[str, tuple[str, str] | None]], caller: Caller, why: str
) -> dict[str, Any]:
    carried_out = [id for id, obstacle in outcomes if obstacle is None]
    log.info(done, who=str(caller), why=why, ids=carried_out)
    return {
        done: carried_out,
        "refused": [{"id": id, "code": o[0], "message": o[1]} for id, o in outcomes if o is not None],
    }
