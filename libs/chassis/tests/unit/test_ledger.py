"""What a service's ledger says of the events that it handled."""

import datetime
from typing import Any

from touchstone_chassis.reconciliation.ledger import Ledger, ReconciliationDeclarations
from touchstone_chassis.unit_of_work.transaction import INBOX_KEPT
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import INBOX
from touchstone_testing.memory_mongo import MemoryDatabase

NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)


def test_an_event_is_named_once_for_each_producer_that_it_may_be_of_in_the_newest_version() -> None:
    handlers = {
        "yard.lot_moved.v2": ("q1", "note"),
        "yard.lot_moved.v1": ("q2", "note"),
        "mill.lot_taken.v1": ("q3", "note"),
        "mill.lot_sold.v1": ("q4", "sell"),
    }
    database: Any = MemoryDatabase()
    database[INBOX].insert_many(
        {"_id": f"toy.{handler}/e-1", "at": NOW, "expires_at": NOW + INBOX_KEPT} for handler in ("note", "command")
    )
    ledger = Ledger(UnitOfWork(database), "toy", handlers, ReconciliationDeclarations(facts={}))

    items, after = ledger.processed(NOW, None, None, 10)

    assert [(item["id"], item["type"]) for item in items] == [
        ("e-1", "yard.lot_moved.v2"),
        ("e-1", "mill.lot_taken.v1"),
    ]
    assert after is None
