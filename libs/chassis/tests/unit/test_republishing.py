"""Events that go out once more: each is judged by its own row, and all rows are read at once."""

import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from touchstone_chassis.reconciliation.api import ReconciliationApi
from touchstone_chassis.reconciliation.ledger import Ledger, ReconciliationDeclarations
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.transaction import CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.bookkeeping import EVENTS, OUTBOX
from touchstone_contracts.callers import Caller
from touchstone_testing.event_keys import unsigned
from touchstone_testing.memory_mongo import MemoryDatabase

NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
SENT = {
    "pending": False,
    "recorded_at": NOW - datetime.timedelta(days=1),
    "type": "x.v1",
    "subject": "s",
    "body": b"{}",
}
CALLER = Caller("operator-1", "operator", issuer="asi")


def outbox(*rows: dict[str, Any]) -> Any:
    database = MemoryDatabase()
    database[OUTBOX].insert_many(rows)
    return database


def republish(database: Any, *ids: str) -> dict[str, Any]:
    """As the chassis does it: answered and committed."""
    unit, api = UnitOfWork(database), cast(Any, ReconciliationApi())
    api.ledger = Ledger(unit, "toy", {}, ReconciliationDeclarations(facts={}))
    api.real_time = SimpleNamespace(now=lambda: NOW)
    answer: dict[str, Any] = api.republish_events.__wrapped__(api, {"ids": list(ids), "why": "lost"}, CALLER)
    committer = Committer(
        database, event_time=lambda: NOW, sign=unsigned, committed=lambda _rows, _changes: None, now=lambda: NOW
    )
    committer.commit(unit, Origin("cor-1"), CompletionRecord())
    return answer


@pytest.mark.parametrize("count", [1, 200])
def test_however_many_events_are_named_their_rows_are_read_at_once(count: int) -> None:
    database = outbox(*({"_id": f"e-{number}"} | SENT for number in range(count)))
    ids = [f"e-{number}" for number in range(count)]

    done = republish(database, *ids)

    assert done == {"republished": ids, "refused": []}
    assert database.reads == [OUTBOX, EVENTS]
    rows = database[OUTBOX].find({})
    assert [(row["_id"], row["pending"], row["waits_since"]) for row in rows] == [(id, True, NOW) for id in ids]


def test_each_event_is_refused_for_its_own_reason_and_once() -> None:
    old = {"recorded_at": NOW - datetime.timedelta(days=56)}
    database = outbox(
        {"_id": "fit"} | SENT,
        {"_id": "waiting"} | SENT | {"pending": True},
        {"_id": "old"} | SENT | old,
        {"_id": "bare"} | SENT | {"body": None},
    )

    done = republish(database, "old", "fit", "unknown", "waiting", "fit", "bare")

    assert done["republished"] == ["fit"]
    assert [(refused["id"], refused["code"]) for refused in done["refused"]] == [
        ("old", "too_old"),
        ("unknown", "not_found"),
        ("waiting", "pending"),
        ("bare", "body_gone"),
    ]
    (sent,) = database[OUTBOX].find({"republished": {"$exists": True}})
    assert (sent["_id"], sent["republished"]) == (
        "fit",
        [{"at": NOW, "who": "operator-1 (operator, asi)", "why": "lost"}],
    )
