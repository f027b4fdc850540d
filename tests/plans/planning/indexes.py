"""Takes declared indexes away, one by one, to see whether anything needs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from planning.evidence import Evidence
from planning.filling import REGIMES
from planning.judging import Finding
from pymongo.database import Database

from touchstone.provisioning.provision import installed_topologies
from touchstone_contracts.bookkeeping import BOOKKEEPING_INDEXES
from touchstone_contracts.topology import Index


def declared() -> dict[str, list[Index]]:
    """By service, the indexes that serve queries only: no unique one guards a rule, none removes what is old."""
    return {
        topology.service: [
            index
            for index in (*BOOKKEEPING_INDEXES, *topology.indexes)
            if not index.unique and index.expire_after_s is None
        ]
        for topology in installed_topologies()
    }


def missed(evidence: Evidence, service: str, index: Index) -> set[Finding]:
    """What is wrong without that index and was not with it."""
    shapes = [s for s in evidence.shapes.values() if (s.service, s.collection) == (service, index.collection)]
    databases = [evidence.grown[service, regime] for regime in REGIMES]
    with without(databases[0], index), without(databases[1], index):
        return evidence.findings(shapes) - evidence.usual


@contextmanager
def without(database: Database[dict[str, Any]], index: Index) -> Iterator[None]:
    """The collection lacks the index inside the block."""
    collection = database[index.collection]
    partial: dict[str, Any] = {"partialFilterExpression": dict(index.partial)} if index.partial else {}
    collection.drop_index(index.name)
    try:
        yield
    finally:
        collection.create_index(list(index.keys), name=index.name, **partial)
