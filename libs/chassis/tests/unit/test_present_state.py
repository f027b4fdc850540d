"""All aggregates of which a record tells the present state are walked in the order of their ids, page by page."""

from typing import Any, cast

import pytest
from pymongo.database import Database

from touchstone_chassis.api import UnitOfWork, ids_in
from touchstone_testing.memory_mongo import MemoryDatabase

IDS = [f"thing-{number:02}" for number in range(7)]


@pytest.fixture
def unit() -> UnitOfWork:
    database = MemoryDatabase()
    for id in reversed(IDS):
        database["things"].replace_one({"_id": id}, {"_id": id, "version": 1}, upsert=True)
    return UnitOfWork(cast(Database, database))


def walked(unit: UnitOfWork, limit: int) -> list[list[str]]:
    pages: list[list[str]] = []
    while page := ids_in("things")(unit, pages[-1][-1] if pages else "", limit):
        pages.append(page)
    return pages


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_each_id_is_on_one_page_in_its_order(unit: Any, limit: int) -> None:
    pages = walked(unit, limit)

    assert [id for page in pages for id in page] == IDS
    assert {len(page) for page in pages[:-1]} <= {limit}


def test_where_nothing_is_there_is_no_page() -> None:
    assert walked(UnitOfWork(cast(Database, MemoryDatabase())), 3) == []
