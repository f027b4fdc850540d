"""Gives a service its repositories, each made from the unit of work of the worker that runs."""

from collections.abc import Callable
from typing import Any

from nameko.extensions import DependencyProvider

from touchstone_chassis.unit_of_work.unit import UnitOfWork


class Stored(DependencyProvider):
    """A repository, made for each worker from the worker's unit of work: `Stored(Cases)` gives `Cases(unit)`."""

    def __init__(self, repository: Callable[[UnitOfWork], Any]):
        self.repository = repository

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self.repository(worker_ctx.args[0].unit)
