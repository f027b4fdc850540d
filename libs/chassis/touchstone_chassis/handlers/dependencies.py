"""The dependencies of a service: stores, the domain's clock, real time, settings and health."""

from collections.abc import Callable
from typing import Any

from nameko.extensions import DependencyProvider

from touchstone_chassis.health.server import Health
from touchstone_chassis.mongo.clock import DomainClock
from touchstone_chassis.mongo.server_time import RealTime
from touchstone_chassis.runtime.settings import Settings
from touchstone_chassis.unit_of_work.unit import UnitOfWork

__all__ = ["DomainClock", "Health", "RealTime", "Settings", "Stored"]


class Stored(DependencyProvider):
    """A store, made for each worker from the worker's unit of work: `Stored(Cases)` gives `Cases(unit)`."""

    def __init__(self, store: Callable[[UnitOfWork], Any]):
        self._store = store

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self._store(worker_ctx.args[0].unit)
