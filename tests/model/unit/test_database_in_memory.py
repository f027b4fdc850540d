"""The database in memory passes the suite that MongoDB passes, and refuses what it does not know."""

import pytest
from conformance import INDEXES, Conformance, desk
from conformance_groups import GroupConformance, together

from touchstone_testing.memory_mongo import MemoryDatabase

pytestmark = pytest.mark.usefixtures("fixed_time")

__all__ = ["desk", "together"]


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase(INDEXES)


class TestTheDatabaseInMemory(Conformance, GroupConformance):
    """The suite of `conformance.py`."""


@pytest.mark.parametrize("filter", [{"$where": "x"}, {"size": {"$regex": "x"}}], ids=str)
def test_a_filter_that_it_does_not_know_is_refused(database: MemoryDatabase, filter: dict) -> None:
    database["things"].insert_one({"_id": "a", "size": "x"})

    with pytest.raises(NotImplementedError):
        database["things"].find(filter)


def test_an_option_or_update_that_it_does_not_know_is_refused(database: MemoryDatabase) -> None:
    database["things"].insert_one({"_id": "a"})

    with pytest.raises(TypeError):
        database["things"].find({}, skip=3)
    with pytest.raises(NotImplementedError):
        database["things"].find({}, {"size": 0})
    with pytest.raises(NotImplementedError):
        database["things"].update_one({"_id": "a"}, {"$push": {"tags": "x"}})
