"""What a service builds on: the one module of the chassis that it imports.

    class ToyService(ToyEntrypoints, OperatorApi):
        name = "toys"
        indexes = INDEXES

    class ToyEntrypoints:
        toys = Stored(Toys)

        @on_event(BoxOpened, handler="note_box")
        def note_box(self, event, envelope): ...

What the service needs of broker and database follows from the class: `ToyService.topology`.
"""

from typing import Any

from touchstone_chassis.backfill.api import BackfillApi
from touchstone_chassis.deadletters.api import DeadLetterApi
from touchstone_chassis.handlers.entrypoint import entrypoints_of
from touchstone_chassis.handlers.events import OnEvent, on_event
from touchstone_chassis.handlers.messages import OnMessage, on_message
from touchstone_chassis.handlers.stored import Stored
from touchstone_chassis.health.server import Health
from touchstone_chassis.heartbeat.api import FreshnessApi
from touchstone_chassis.heartbeat.standing import Lag
from touchstone_chassis.history.api import HistoryApi
from touchstone_chassis.mongo.clock import DomainClock
from touchstone_chassis.pagination import page
from touchstone_chassis.reconciliation.api import ReconciliationApi
from touchstone_chassis.reconciliation.ledger import (
    Due,
    PresentState,
    ReconciliationDeclarations,
    ids_in,
    missing_jobs,
)
from touchstone_chassis.rpc.method import command, query
from touchstone_chassis.runtime.settings import Settings
from touchstone_chassis.scheduling.entrypoint import on_job
from touchstone_chassis.scheduling.job_queue import Job
from touchstone_chassis.testing.fault_points import declare as declare_fault_points
from touchstone_chassis.testing.fault_points import fault_point
from touchstone_chassis.unit_of_work.announced import find_events
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.topology import Index, ServiceTopology

__all__ = [
    "DomainClock",
    "Due",
    "Health",
    "Index",
    "Job",
    "Lag",
    "OperatorApi",
    "PresentState",
    "ReconciliationDeclarations",
    "Settings",
    "Stored",
    "UnitOfWork",
    "command",
    "declare_fault_points",
    "fault_point",
    "find_events",
    "ids_in",
    "missing_jobs",
    "on_event",
    "on_job",
    "on_message",
    "page",
    "query",
]


class OperatorApi(HistoryApi, DeadLetterApi, ReconciliationApi, BackfillApi, FreshnessApi):
    """What an operator may ask of every service, and what every service has: health, clock, and a topology.

    A service says in `indexes` what its own collections need, in `collections` which of them need none, in `migrations`
    how documents come up to a schema version, and in `reconciliation` what may be compared. It takes the rest as it is.
    """

    collections: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    migrations: dict[int, Any] = {}
    topology: ServiceTopology

    health = Health()
    clock = DomainClock()

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "name" in vars(cls):
            cls.topology = topology_of(cls)


def topology_of(service: type[OperatorApi]) -> ServiceTopology:
    """What a service needs of broker and database: its entrypoints' events and queues, its collections and indexes."""
    consumed = {event.type_name: event for entry in entrypoints_of(service, OnEvent) for event in entry.event_classes}
    return ServiceTopology(
        service=service.name,
        consumes=[consumed[name] for name in sorted(consumed)],
        queues=sorted(entrypoint.queue for entrypoint in entrypoints_of(service, OnMessage)),
        collections=service.collections,
        indexes=service.indexes,
        migrations=service.migrations,
    )
