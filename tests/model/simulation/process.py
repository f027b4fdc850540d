"""One service without broker and MongoDB: its own handlers, run by the chassis's own rules on a database in memory."""

import dataclasses
import datetime
import functools
import itertools
import time
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
from pymongo import ReturnDocument

from touchstone_chassis.handlers.commands import Call, CommandExecution, QueryExecution
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.handlers.execution import Execution
from touchstone_chassis.handlers.idempotency import Answers
from touchstone_chassis.handlers.message_commands import Message, MessageCommand
from touchstone_chassis.handlers.messages import OnMessage
from touchstone_chassis.rpc.method import Method
from touchstone_chassis.scheduling.entrypoint import OnJob
from touchstone_chassis.scheduling.job_queue import Job
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.sequences import Sequences
from touchstone_chassis.unit_of_work.transaction import AlreadyProcessed, ClaimLost, CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.bookkeeping import BOOKKEEPING_INDEXES
from touchstone_contracts.callers import Caller
from touchstone_contracts.envelope import unwrap
from touchstone_contracts.topology import ServiceTopology, event_queue
from touchstone_contracts.versions import upcast, versions
from touchstone_testing.event_keys import unsigned
from touchstone_testing.memory_mongo import MemoryDatabase
from touchstone_testing.memory_service import Handler, fresh_caches, handlers_of, instance_of, migrate

CALL_S_MAX = 60
CLAIM = datetime.timedelta(seconds=6)
NUMBERS_AT_ONCE = 3


class Crash(BaseException):
    """The process died here: no handler can catch it."""


class _EachByAReplica:
    """Commits each unit of work as if by a replica of its own: one may be committed while another is about to be."""

    def __init__(self, database: MemoryDatabase, clock: Any) -> None:
        self._database, self._clock = database, clock

    def commit(self, *given: Any, **options: Any) -> None:
        self._replica().commit(*given, **options)

    def was_processed(self, inbox_key: str) -> bool:
        return self._replica().was_processed(inbox_key)

    def _replica(self) -> Committer:
        return Committer(
            self._database,  # type: ignore[arg-type]
            event_time=self._clock.now,
            sign=unsigned,
            committed=lambda _rows, _changes: None,
        )


class _Simulated(Execution):
    """A handler's run as the service's own, without broker."""

    def __init__(self, resources: Any, unit: UnitOfWork, origin: Origin, call: Any, done: CompletionRecord):
        super().__init__(resources, unit, origin)
        self._call, self._done = call, done

    def attempt(self) -> Any:
        return self._call()

    def completion(self, _result: Any) -> CompletionRecord:
        return self._done


class _NeverInStep:
    """Heartbeats that never say that all has come: what is not known yet is always waited for."""

    def __init__(self, now: Callable[[], datetime.datetime]) -> None:
        self.now = now

    def has_handled(self, _producer: str, _moment: datetime.datetime) -> bool:
        return False

    def wait_for(self, _producer: str, _known: Callable[[], bool], *, within_s: float) -> None:
        pass


class Process:
    """A service's handlers and what the process remembers; the database outlives it."""

    def __init__(self, service: type, topology: ServiceTopology, settings: dict[str, Any], clock: Any) -> None:
        self.name, self.clock = topology.service, clock
        self.database = MemoryDatabase([*topology.indexes, *BOOKKEEPING_INDEXES])
        migrate(self.database, topology)
        self._service = service
        self._provided = {"clock": clock, "settings": settings, "heartbeats": _NeverInStep(clock.now)}
        handlers = list(handlers_of(service))
        self.commands = {h.name: h for h in handlers if isinstance(h.entrypoint, Method)}
        self.deadlines = {h.entrypoint.kind: h for h in handlers if isinstance(h.entrypoint, OnJob)}
        self.messages = {h.entrypoint.queue: h for h in handlers if isinstance(h.entrypoint, OnMessage)}
        self.events = {
            event_queue(self.name, version.type_name): (h, version, newest)
            for h in handlers
            if isinstance(h.entrypoint, OnEvent)
            for newest in h.entrypoint.event_classes
            for version in versions(newest)
        }
        self.restart()

    def restart(self) -> None:
        """A fresh process: what was only in memory is gone."""
        committer = _EachByAReplica(self.database, self.clock)
        here = SimpleNamespace(open_for_s=0.0, trip=lambda: None)
        self._resources: Any = SimpleNamespace(
            service=self.name,
            committer=committer,
            answers=Answers(self.database, one_issuer=True),
            draining=False,
            circuit_breaker=here,
            time=self.clock,
        )
        self._provided |= fresh_caches(self._service)
        self._replicas = itertools.cycle([Sequences(self.database, NUMBERS_AT_ONCE) for _ in range(2)])  # type: ignore[arg-type]

    def call(self, name: str, arguments: dict[str, Any], caller: Caller) -> Any:
        """The answer to a command or query, as a caller reads it. Raises Refusal."""
        handler, unit = self.commands[name], self._unit()
        method = functools.partial(handler.method, instance_of(self._service, unit, **self._provided))
        call = Call(name, handler.entrypoint.schema, dict(arguments), caller, time.time() + CALL_S_MAX)
        if not handler.entrypoint.changes:
            return orjson.loads(QueryExecution(self._resources, unit, call, method).run())
        return orjson.loads(CommandExecution(self._resources, unit, call, method, Origin(uuid.uuid4().hex)).run())

    def _unit(self) -> UnitOfWork:
        """By turns of one replica and of another, each with numbers that it has drawn."""
        return UnitOfWork(self.database, None, next(self._replicas))

    def take_event(self, queue: str, body: bytes) -> None:
        """Handle an event once. Raises what the handler raises."""
        handler, version, newest = self.events[queue]
        envelope, event = unwrap(orjson.loads(body), expected=version)
        event = upcast(event, newest)
        origin = Origin(envelope.correlationid, envelope.id, envelope.traceparent)
        inbox_key = f"{self.name}.{handler.entrypoint.handler_of(newest)}/{envelope.id}"
        self._once(inbox_key, handler, origin, event, envelope)

    def take_message(self, queue: str, body: bytes, caller: Caller, message_id: str) -> None:
        """Carry out a command that came as a message, or record its refusal; once."""
        handler, request, unit = self.messages[queue], orjson.loads(body), self._unit()
        message = Message(f"{self.name}.{handler.entrypoint.handler}", message_id, request)
        command = MessageCommand(self._resources, unit, Origin(message_id, message_id), message)
        service = instance_of(self._service, unit, **self._provided)
        refused = getattr(service, handler.entrypoint.refused)
        command.carry_out(
            caller,
            lambda: handler.method(service, request, caller, message_id),
            lambda refusal: refused(request, caller, refusal, message_id),
        )

    def due(self) -> list[str]:
        """Ids of the deadlines whose time has come, claimed ones of dead processes included."""
        found = self.database["deadlines"].find({"due_at": {"$lte": self.clock.now()}}, {"_id": 1})
        return [document["_id"] for document in found]

    def next_due_at(self) -> datetime.datetime | None:
        return min((d["due_at"] for d in self.database["deadlines"].find({})), default=None)

    def run_deadline(self, id: str) -> None:
        """Claim a deadline and handle it; nothing when somebody else has taken it meanwhile."""
        claim = uuid.uuid4().hex
        document = self.database["deadlines"].find_one_and_update(
            {"_id": id},
            {"$set": {"claim": claim, "claimed_until": self.clock.now() + CLAIM}, "$inc": {"attempt": 1}},
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            return
        known = {field.name for field in dataclasses.fields(Job)}
        deadline = Job(id=id, **{name: value for name, value in document.items() if name in known})
        try:
            self._run(self.deadlines[deadline.kind], deadline.origin, CompletionRecord(claim=(id, claim)), deadline)
        except ClaimLost:
            return

    def _once(self, inbox_key: str, handler: Handler, origin: Origin, *given: Any) -> None:
        try:
            self._run(handler, origin, CompletionRecord(inbox=inbox_key), *given)
        except AlreadyProcessed:
            return
        except Exception:
            if not self._resources.committer.was_processed(inbox_key):
                raise

    def _run(self, handler: Handler, origin: Origin, done: CompletionRecord, *given: Any) -> None:
        unit = self._unit()
        run = functools.partial(handler.method, instance_of(self._service, unit, **self._provided), *given)
        _Simulated(self._resources, unit, origin, run, done).run()
