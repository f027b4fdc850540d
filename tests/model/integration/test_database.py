"""MongoDB passes the suite that the database in memory passes, so that the model's is a fair copy."""

from collections.abc import Iterator
from typing import Any

import pytest
from conformance import INDEXES, Conformance, desk
from conformance_groups import GroupConformance, together

from touchstone_chassis.mongo.client import connect
from touchstone_devkit.backing.choosing import Backing

__all__ = ["desk", "together"]


@pytest.fixture
def database(backing: Backing, database_prefix: str) -> Iterator[Any]:
    client = connect(backing.mongo_uri)
    database = client[f"{database_prefix}_conformance"]
    for index in INDEXES:
        options = {"partialFilterExpression": dict(index.partial)} if index.partial else {}
        database[index.collection].create_index(list(index.keys), unique=index.unique, **options)
    yield database
    client.close()


class TestMongoDB(Conformance, GroupConformance):
    """The suite of `conformance.py`."""
