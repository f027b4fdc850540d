"""A service's handlers on the database in memory, run one at a time, with the chassis' own unit of work and commit."""

import dataclasses
import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from pymongo.database import Database

from touchstone_chassis.api import Job, OperatorApi, Stored
from touchstone_chassis.handlers.events import OnEvent
from touchstone_chassis.scheduling.entrypoint import OnJob
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.transaction import Clash, CompletionRecord, IndexViolated
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.bookkeeping import DEADLINES, OUTBOX
from touchstone_contracts.envelope import unwrap
from touchstone_contracts.topology import ServiceTopology
from touchstone_testing.event_keys import unsigned
from touchstone_testing.memory_mongo import MemoryDatabase, Snapshot

NOTHING_TO_NOTE = CompletionRecord()
ORIGIN = Origin("cor-1")


def instance_of(service: type, unit: UnitOfWork, **provided: Any) -> Any:
    """An instance as a worker gets it: repositories over the unit of work, and what is provided by name."""
    instance = service()
    for name, stored in _repositories(service):
        setattr(instance, name, stored.repository(unit))
    for name, dependency in provided.items():
        setattr(instance, name, dependency)
    return instance


@functools.cache
def _repositories(service: type) -> list[tuple[str, Stored]]:
    return inspect.getmembers(service, lambda member: isinstance(member, Stored))


def fresh_caches(service: type) -> dict[str, Any]:
    """What a process keeps in the class, for all of its instances, as when it starts."""
    return {name: type(cache)() for name, cache in inspect.getmembers(service) if name.endswith("_cache")}


@dataclasses.dataclass(frozen=True)
class Handler:
    """A method of a service class, without its decorator, and the entrypoint that it was declared as."""

    name: str
    entrypoint: Any
    method: Callable[..., Any]


def handlers_of(service: type) -> Iterator[Handler]:
    for name, method in inspect.getmembers(service):
        for entrypoint in getattr(method, "nameko_entrypoints", ()):
            yield Handler(name, entrypoint, method.__wrapped__)


@functools.cache
def handlers_by_subject(service: type) -> Mapping[Any, Callable[..., Any]]:
    """The methods that handle events and jobs, by the event's class and the job's kind."""
    found: dict[Any, Callable[..., Any]] = {}
    for entrypoint, method in ((handler.entrypoint, handler.method) for handler in handlers_of(service)):
        if isinstance(entrypoint, OnEvent):
            found |= dict.fromkeys(entrypoint.event_classes, method)
        if isinstance(entrypoint, OnJob):
            found[entrypoint.kind] = method
    return found


def migrate(database: MemoryDatabase, topology: ServiceTopology) -> None:
    """Bring a new database to what a service starts with, as `touchstone provision` does: once in a process, and from
    then on by a copy of what came of it."""
    database.restore(_migrated(tuple(sorted(topology.migrations.items()))))


@functools.cache
def _migrated(migrations: tuple[tuple[int, Callable[[Any], None]], ...]) -> Snapshot:
    database = MemoryDatabase()
    for _version, migration in migrations:
        migration(database)
    return database.snapshot()


class MemoryService:
    """One service and its database. `provided` is what its instances find by name; a `clock` must be among it."""

    def __init__(self, service: type[OperatorApi], **provided: Any) -> None:
        self.service, self.provided = service, fresh_caches(service) | provided
        self.database = MemoryDatabase(service.topology.indexes)
        migrate(self.database, service.topology)
        database, now = cast(Database, self.database), provided["clock"].now
        self.committer = Committer(
            database, event_time=now, sign=unsigned, committed=lambda _rows, _changes: None, now=now
        )

    def begin(self) -> tuple[Any, UnitOfWork]:
        """An instance whose handlers read now; what they do is written when the unit is committed."""
        unit = UnitOfWork(cast(Database, self.database))
        return instance_of(self.service, unit, **self.provided), unit

    def commit(
        self, unit: UnitOfWork, done: CompletionRecord = NOTHING_TO_NOTE, *, again: Callable[[], Any] | None = None
    ) -> None:
        """As the chassis does it: where somebody else was faster, `again` decides anew."""
        try:
            self.committer.commit(unit, ORIGIN, done)
        except (Clash, IndexViolated):
            if again is None:
                raise
            unit.reset()
            again()
            self.committer.commit(unit, ORIGIN, done)

    def due(self) -> list[Job]:
        """The jobs whose time has come, as their handlers get them; nobody else claims one."""
        known = {field.name for field in dataclasses.fields(Job)} - {"id"}
        found = self.database[DEADLINES].find({"due_at": {"$lte": self.provided["clock"].now()}})
        return [Job(id=row["_id"], **{name: value for name, value in row.items() if name in known}) for row in found]

    def documents(self, collection: str) -> list[dict[str, Any]]:
        return self.database[collection].find({})

    def events(self, name: str | None = None) -> list[Any]:
        """Stories that were committed, in order, as consumers will read them; or what is of the class that is named."""
        events = [unwrap(json.loads(row["body"]))[1] for row in self.documents(OUTBOX)]
        return [event for event in events if (not event.record if name is None else name == type(event).__name__)]

    def records(self) -> list[tuple[int, Any]]:
        """Records that were committed, in order, each with its sequence."""
        read = [unwrap(json.loads(row["body"])) for row in self.documents(OUTBOX)]
        return [(envelope.sequence, event) for envelope, event in read if event.record]


def done_with(job: Job) -> CompletionRecord:
    """Takes the job away in the commit that it led to."""
    return CompletionRecord(claim=(job.id, job.claim))
