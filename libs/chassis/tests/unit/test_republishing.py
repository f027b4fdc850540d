"""Events that go out once more: each is judged by its own row, and all rows are read at once."""

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from touchstone_chassis.reconciliation.api import ReconciliationApi
from touchstone_chassis.reconciliation.ledger import Ledger, ReconciliationDeclarations
from touchstone_contracts.bookkeeping import OUTBOX

NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
SENT = {
    "pending": False,
    "recorded_at": NOW - datetime.timedelta(days=1),
    "type": "x.v1",
    "subject": "s",
    "body": b"{}",
}
CALLER: Any = SimpleNamespace(subject="operator-1")


class OutboxUnit:
    """A unit of work on an outbox with these rows; counts what is read and notes what is sent."""

    def __init__(self, *rows: dict[str, Any]):
        self._rows = {row["_id"]: row for row in rows}
        self.reads = 0
        self.deleted: list[tuple[str, str]] = []
        self.sent: list[dict[str, Any]] = []

    def find(self, collection: str, filter: dict[str, Any], **_: Any) -> list[dict[str, Any]]:
        assert collection == OUTBOX and filter["properties"] == {"$exists": False}
        self.reads += 1
        return [self._rows[id] for id in filter["_id"]["$in"] if id in self._rows]

    def find_one(self, collection: str, filter: dict[str, Any]) -> dict[str, Any] | None:
        return next(iter(self.find(collection, filter | {"_id": {"$in": [filter["_id"]]}})), None)

    def delete(self, collection: str, id: str) -> None:
        self.deleted.append((collection, id))

    def send(self, row: dict[str, Any]) -> None:
        self.sent.append(row)


def republish(unit: Any, *ids: str) -> dict[str, Any]:
    desk: Any = ReconciliationApi()
    desk.ledger = Ledger(unit, "toy", {}, ReconciliationDeclarations(facts={}))
    desk.real_time = SimpleNamespace(now=lambda: NOW)
    answer: dict[str, Any] = desk.republish_events.__wrapped__(desk, {"ids": list(ids), "why": "lost"}, CALLER)
    return answer


@pytest.mark.parametrize("count", [1, 200])
def test_however_many_events_are_named_their_rows_are_read_at_once(count: int) -> None:
    unit = OutboxUnit(*({"_id": f"e-{number}"} | SENT for number in range(count)))
    ids = [f"e-{number}" for number in range(count)]

    done = republish(unit, *ids)

    assert done == {"republished": ids, "refused": []}
    assert unit.reads == 1
    assert unit.deleted == [(OUTBOX, id) for id in ids]
    assert [(row["_id"], row["pending"], row["waits_since"]) for row in unit.sent] == [(id, True, NOW) for id in ids]


def test_each_event_is_refused_for_its_own_reason_and_once() -> None:
    old = {"recorded_at": NOW - datetime.timedelta(days=56)}
    unit = OutboxUnit(
        {"_id": "fit"} | SENT,
        {"_id": "waiting"} | SENT | {"pending": True},
        {"_id": "old"} | SENT | old,
        {"_id": "bare"} | SENT | {"body": None},
    )

    done = republish(unit, "old", "fit", "unknown", "waiting", "fit", "bare")

    assert done["republished"] == ["fit"]
    assert [(refused["id"], refused["code"]) for refused in done["refused"]] == [
        ("old", "too_old"),
        ("unknown", "not_found"),
        ("waiting", "pending"),
        ("bare", "body_gone"),
    ]
    assert [row["republished"] for row in unit.sent] == [[{"at": NOW, "who": "operator-1", "why": "lost"}]]
