"""Runs a whole system once through everything, and keeps what it asked its databases, and databases grown by years."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from planning.asking import ask_everything
from planning.entrances import worked
from planning.filling import REGIMES, Growing
from planning.judging import Finding, findings
from planning.recording import Recorder, Shape
from planning.tour import Tour
from pymongo import MongoClient
from pymongo.database import Database

from touchstone.provisioning.provision import installed_topologies, provision_databases
from touchstone_devkit.demo.scheme import Scheme
from touchstone_devkit.system.runner import SERVICES, System

Grown = dict[tuple[str, str], Database[dict[str, Any]]]
"""By service and regime, a database with many documents and all indexes that are declared."""


@dataclasses.dataclass
class Evidence:
    """`shapes` by name; `worked`: entrypoints; `sizes` of the grown collections by `service.collection`."""

    shapes: dict[str, Shape]
    worked: set[str]
    grown: Grown
    sizes: dict[str, int]

    @functools.cached_property
    def usual(self) -> set[Finding]:
        """What is wrong with the databases as they are provisioned."""
        return self.findings(list(self.shapes.values()))

    def findings(self, shapes: list[Shape]) -> set[Finding]:
        """What is wrong with these, in whichever regime."""
        return {
            found
            for shape in shapes
            for regime in REGIMES
            for found in findings(self.grown[shape.service, regime], shape)
        }


@contextmanager
def gathered(system: System) -> Iterator[Evidence]:
    """Takes a running sandbox system through it all. The grown databases go with the block."""
    databases = {service: system.database(service) for service in SERVICES}
    recorder = Recorder(system.mongo_uri, databases)
    with recorder, Scheme(system.environment) as scheme:
        tour = Tour(system, scheme)
        tour.run()
        tour.left_in_the_outbox()
        done = worked(system.http_uris)
        tour.killed_while_at_work()
        tour.years_pass()
        ask_everything(scheme, tour.places())
        done |= worked(system.http_uris)
    shapes = recorder.shapes()
    recorder.close()
    with _grown(system, databases, shapes) as (grown, sizes):
        yield Evidence(shapes, done, grown, sizes)


@contextmanager
def _grown(
    system: System, databases: Mapping[str, str], shapes: Mapping[str, Shape]
) -> Iterator[tuple[Grown, dict[str, int]]]:
    topologies = [topology for topology in installed_topologies() if topology.service in databases]
    client: MongoClient[dict[str, Any]]
    with MongoClient(system.mongo_uri, tz_aware=True) as client:
        growing = Growing(client, databases)
        grown: Grown = {}
        sizes: dict[str, int] = {}
        try:
            for regime in REGIMES:
                prefix = f"{system.database_prefix}_grown_{regime}"
                provision_databases(system.mongo_uri, prefix, topologies)
                for service in databases:
                    grown[service, regime] = client[f"{prefix}_{service}"]
                    asked = {shape.collection for shape in shapes.values() if shape.service == service}
                    counted = growing.fill(service, f"{prefix}_{service}", asked, regime)
                    sizes |= {f"{service}.{name}": count for name, count in counted.items()}
            yield grown, sizes
        finally:
            for database in grown.values():
                client.drop_database(database.name)
