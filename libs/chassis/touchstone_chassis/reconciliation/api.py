"""The RPC methods by which a service's books are compared with the others'; a service class inherits them."""

import datetime
from typing import Any

import structlog
from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from nameko import config
from nameko.extensions import DependencyProvider

from touchstone_chassis.deadletters.api import Why
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.mongo.server_time import RealTime
from touchstone_chassis.reconciliation.discrepancies import ACCEPTED, OPEN, SHOWN_MAX, STATES, Counting, Differences
from touchstone_chassis.reconciliation.ledger import Ledger, ReconciliationDeclarations, queue_lengths
from touchstone_chassis.rpc.method import command, query
from touchstone_contracts.callers import Caller
from touchstone_contracts.events.differences import register
from touchstone_contracts.moments import Moment
from touchstone_contracts.roles import OPERATOR
from touchstone_contracts.topology import retry_queue

log = structlog.get_logger(__name__)

IDS_MAX = 1000
REPORTED_MAX = REPUBLISHED_MAX = 200


def _name(**kwargs: Any) -> fields.String:
    return fields.String(validate=validate.Length(1, 255), **kwargs)


def _ids(most: int = IDS_MAX, **kwargs: Any) -> fields.List:
    return fields.List(_name(), validate=validate.Length(1, most), **kwargs)


def _moment(**kwargs: Any) -> Moment:
    return Moment(default_timezone=datetime.UTC, **kwargs)


class GetReconciliationState(Schema):
    overdue_s = fields.Integer(strict=True, load_default=300, validate=validate.Range(1, 10**7))


class ListCommittedEvents(Schema):
    """One of `since`, `ids` and `subjects`. `limit` and `after` go with `since`."""

    since, until = _moment(), _moment(load_default=None, allow_none=True)
    ids, subjects = _ids(), _ids()
    limit = fields.Integer(strict=True, load_default=IDS_MAX, validate=validate.Range(1, IDS_MAX))
    after = _name(load_default=None)

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if sum(name in data for name in ("since", "ids", "subjects")) != 1:
            raise ValidationError({"since": ["Give one of since, ids and subjects."]})


class ListProcessedEvents(Schema):
    since, until = _moment(required=True), _moment(load_default=None, allow_none=True)
    limit = fields.Integer(strict=True, load_default=IDS_MAX, validate=validate.Range(1, IDS_MAX))
    after = _name(load_default=None)


class ListUnprocessedEvents(Schema):
    """`events`: ids by type, a thousand of them at most."""

    events = fields.Dict(keys=_name(), values=_ids(), required=True)

    @validates_schema
    def _few(self, data: dict[str, Any], **_: Any) -> None:
        if sum(map(len, data["events"].values())) > IDS_MAX:
            raise ValidationError({"events": [f"At most {IDS_MAX} ids in all."]})


class ListFacts(Schema):
    name = _name(required=True)
    keys = _ids(500, required=True)


class ListDifferences(Schema):
    state = fields.String(load_default=OPEN, validate=validate.OneOf(STATES))
    limit = fields.Integer(strict=True, load_default=SHOWN_MAX, validate=validate.Range(1, SHOWN_MAX))
    after = _name(load_default=None)


class Difference(Schema):
    id = fields.String(required=True, validate=validate.Length(1, 100))
    kind = fields.String(required=True, validate=validate.Regexp(r"[a-z_]{1,60}\Z"))
    about = fields.Dict(keys=_name(), values=_name(), required=True, validate=validate.Length(1, 12))
    sentence = fields.String(required=True, validate=validate.Length(1, 1000))


class ReportDifferences(Schema):
    found = fields.List(fields.Nested(Difference), load_default=list, validate=validate.Length(max=REPORTED_MAX))
    settled = fields.List(_name(), load_default=list, validate=validate.Length(max=REPORTED_MAX))


class AcceptDifferences(Why):
    ids = _ids(REPORTED_MAX, required=True)


class RepublishEvents(Why):
    ids = _ids(REPUBLISHED_MAX, required=True)


class RestoreDeadlines(Why):
    kind = _name(required=True)
    keys = _ids(REPUBLISHED_MAX, required=True)


class LedgerProvider(DependencyProvider):
    """Gives a worker the Ledger and the Differences of its service, in the worker's unit of work."""

    resources = Resources()

    def setup(self) -> None:
        self._types = register(self.container.service_name)
        self._handlers: dict[str, tuple[str, str]] | None = None
        self._counting = Counting(self.container.service_name)

    def start(self) -> None:
        self.container.spawn_managed_thread(
            lambda: self._counting.run(lambda: self.resources.mongo.database), identifier="differences"
        )

    def stop(self) -> None:
        self._counting.stop()

    def get_dependency(self, worker_ctx: Any) -> tuple[Ledger, Differences]:
        unit, service = worker_ctx.args[0].unit, self.resources.service
        comparable = getattr(self.container.service_cls, "comparable", ReconciliationDeclarations(facts={}))
        if self._handlers is None:
            self._handlers = self._queues_and_handlers()
        return Ledger(unit, service, self._handlers, comparable), Differences(unit, self._types)

    def _queues_and_handlers(self) -> dict[str, tuple[str, str]]:
        """Queue and handler of each event type that comes in, in each of its versions."""
        return {
            version.type_name: (queue, entrypoint.handler_of(newest))
            for entrypoint in self.container.entrypoints
            if isinstance(entrypoint, OnEvent)
            for queue, (version, newest) in entrypoint.received_in.items()
        }


class ReconciliationApi:
    """What every service offers the operator's reconciliation. Only ids and states leave it, never a body.

    A service says in its attribute `comparable` what else may be compared, and what may be done again.
    """

    books = LedgerProvider()
    real_time = RealTime()
    comparable = ReconciliationDeclarations(facts={})

    @query(GetReconciliationState(), roles=(OPERATOR,))
    def get_reconciliation_state(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Which event types the service consumes, what waits too long for the broker, which differences are open.

        `differences` and `accepted` hold a thousand each; the cursors with `_next` go to `list_differences`.
        """
        books, differences = self.books
        found, more = differences.listed(OPEN, None, SHOWN_MAX)
        accepted, more_accepted = differences.listed(ACCEPTED, None, SHOWN_MAX)
        before = self.real_time.now() - datetime.timedelta(seconds=request["overdue_s"])
        return {
            "consumes": sorted(books.handlers),
            "facts": sorted(books.comparable.facts),
            "announced_in_full": [[e.type_name for e in group] for group in books.comparable.announced_in_full],
            "overdue": books.overdue(before),
            "differences": found,
            "differences_next": more,
            "accepted": accepted,
            "accepted_next": more_accepted,
        }

    @query(ListCommittedEvents(), roles=(OPERATOR,))
    def list_committed_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Events that the service committed, oldest first: since a moment, with these ids, or about these subjects."""
        books, _ = self.books
        if "since" not in request:
            named = {name: request[name] for name in ("ids", "subjects") if name in request}
            return {"items": books.having(**named), "next": None}
        items, after = books.committed(request["since"], request["until"], request["after"], request["limit"])
        return {"items": items, "next": after}

    @query(ListProcessedEvents(), roles=(OPERATOR,))
    def list_processed_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Events that the service has handled from a moment on, oldest first."""
        items, after = self.books[0].processed(request["since"], request["until"], request["after"], request["limit"])
        return {"items": items, "next": after}

    @query(ListUnprocessedEvents(), roles=(OPERATOR,))
    def list_unprocessed_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Which of these events the service ought to have handled and has not, and what its queues still hold."""
        books, _ = self.books
        items = books.unprocessed(request["events"], self.real_time.now())
        queues = {item["type"]: books.handlers[item["type"]][0] for item in items if item["state"] == "missing"}
        retries = [retry_queue(books.service, delay_s) for delay_s in config["retry_delays_s"]] if queues else []
        lengths = queue_lengths([*queues.values(), *retries]) if queues else {}
        return {
            "items": items,
            "queues": {type_name: lengths[queue] for type_name, queue in queues.items()},
            "retrying": sum(lengths[queue] or 0 for queue in retries),
        }

    @query(ListFacts(), roles=(OPERATOR,))
    def list_facts(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """What the service knows of the things with these keys; `name` is one of the state's `facts`."""
        return {"items": self.books[0].facts(request["name"], request["keys"])}

    @query(ListDifferences(), roles=(OPERATOR,))
    def list_differences(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Differences that were reported, open (if no state is given), settled or accepted, by kind."""
        items, after = self.books[1].listed(request["state"], request["after"], request["limit"])
        return {"items": items, "next": after}

    @command(ReportDifferences(), roles=(OPERATOR,))
    def report_differences(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Note differences that were found and end those that are settled. Each change is announced once."""
        return {"new": self.books[1].report(request["found"], request["settled"], self.real_time.now())}

    @command(AcceptDifferences(), roles=(OPERATOR,))
    def accept_differences(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Have open differences counted no more, since the caller dealt with them. They are announced as settled."""
        ids, why = list(dict.fromkeys(request["ids"])), request["why"]
        refused = self.books[1].accept(ids, who=caller.subject, why=why, now=self.real_time.now())
        outcomes = [(id, (refused[id], _NOT_ACCEPTED[refused[id]]) if id in refused else None) for id in ids]
        return _outcomes("accepted", outcomes, caller, why)

    @command(RepublishEvents(), roles=(OPERATOR,))
    def republish_events(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Let events go out once more, with their ids: whoever handled one knows it and does nothing."""
        books, now = self.books[0], self.real_time.now()
        ids, why = list(dict.fromkeys(request["ids"])), request["why"]
        outcomes = books.publish_again(ids, who=caller.subject, why=why, now=now)
        return _outcomes("republished", outcomes, caller, why)

    @command(RestoreDeadlines(), roles=(OPERATOR,))
    def restore_deadlines(self, request: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """Set deadlines that ought to be there and are not."""
        kind, books = request["kind"], self.books[0]
        outcomes = [(key, books.restore_deadline(kind, key)) for key in dict.fromkeys(request["keys"])]
        return _outcomes("restored", outcomes, caller, request["why"])


_NOT_ACCEPTED = {
    "not_found": "No such difference was reported here.",
    "settled": "It is settled.",
    "accepted": "It is accepted already.",
}


def _outcomes(
    done: str, outcomes: list[tuple[str, tuple[str, str] | None]], caller: Caller, why: str
) -> dict[str, Any]:
    carried_out = [id for id, obstacle in outcomes if obstacle is None]
    log.info(done, who=caller.subject, why=why, ids=carried_out)
    return {
        done: carried_out,
        "refused": [{"id": id, "code": o[0], "message": o[1]} for id, o in outcomes if o is not None],
    }
