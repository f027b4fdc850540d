"""A backfill that was killed goes on where it was, and sends nothing of a producer again that had come to its end."""

import collections
import datetime
from typing import Any, cast

import pytest
from pymongo.database import Database

from touchstone.backfill import filling
from touchstone_chassis.backfill.run import Backfill
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.transaction import CompletionRecord
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.bookkeeping import EVENTS
from touchstone_contracts.events.assessment import AuditAccepted
from touchstone_contracts.events.membership import OrganisationRecorded
from touchstone_testing.event_keys import unsigned
from touchstone_testing.memory_mongo import MemoryDatabase

NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
CONSUMES = {event.producer: event.type_name for event in (AuditAccepted, OrganisationRecorded)}
EACH = 5

pytestmark = pytest.mark.usefixtures("fixed_time")


class Killed(Exception):
    """The command ends here, as if it had been killed."""


class Producers:
    """Two producers with five events each, as an operator's command meets them; it dies where it is told to."""

    def __init__(self) -> None:
        self.sent: collections.Counter[str] = collections.Counter()
        self.dies_at: int | None = None
        self._pages = self._runs = 0
        self._databases = {name: MemoryDatabase() for name in CONSUMES}
        for name, type_name in CONSUMES.items():
            for n in range(EACH):
                event = {"_id": f"{name}-{n}", "type": type_name, "subject": "one", "sequence": n + 1}
                self._databases[name][EVENTS].insert_one(event | {"body": b"{}", "correlation_id": "c"})

    def ask(self, service: str, method: str, **given: Any) -> dict[str, Any]:
        return {
            "get_backfill_target": self._target,
            "begin_backfill": self._begin,
            "continue_backfill": self._go_on,
            "list_not_backfilled": lambda *_, **__: {"ids": []},
            "count_events": lambda *_, **__: {"counts": {}},
            "settle_counts": lambda *_, **__: {},
        }[method](service, **given)

    def _target(self, _service: str) -> dict[str, Any]:
        return {"consumes": [*CONSUMES.values()], "waiting": dict.fromkeys(CONSUMES.values(), 0), "retrying": 0}

    def _begin(self, service: str, *, consumer: str, types: list[str], run: str | None) -> dict[str, Any]:
        self._runs += 1
        unit = UnitOfWork(cast(Database, self._databases[service]))
        begun = Backfill(unit, service, {}).begin(consumer, types, run or f"run-{self._runs}", "boundary", NOON)
        self._commit(service, unit)
        return begun | {"done": begun["position"] is None}

    def _go_on(self, service: str, *, consumer: str, run: str, limit: int) -> dict[str, Any]:
        self._pages += 1
        if self._pages == self.dies_at:
            raise Killed
        unit = UnitOfWork(cast(Database, self._databases[service]))
        told, page = Backfill(unit, service, {}).go_on(consumer, run, 2, NOON)
        self._commit(service, unit)
        self.sent.update(id for id, *_ in page.messages)
        return {"sent": told["sent"], "done": told["position"] is None, "events": {}}

    def _commit(self, service: str, unit: UnitOfWork) -> None:
        database = cast(Database, self._databases[service])
        committer = Committer(
            database, event_time=lambda: NOON, sign=unsigned, committed=lambda *_: None, now=lambda: NOON
        )
        committer.commit(unit, Origin("c"), CompletionRecord())


def fill(producers: Producers) -> filling.Filled:
    return filling.backfill(producers.ask, "toy", rate_per_s=1e6, wait_s=1, progress=lambda _: None)


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> Producers:
    monkeypatch.setattr(filling, "SURE_AFTER_S", 0.0)
    return Producers()


@pytest.mark.parametrize("dies_at", range(1, 7))
def test_it_goes_on_where_it_was_killed(producers: Producers, dies_at: int) -> None:
    producers.dies_at = dies_at
    with pytest.raises(Killed):
        fill(producers)

    filled = fill(producers)

    assert producers.sent == dict.fromkeys((f"{name}-{n}" for name in CONSUMES for n in range(EACH)), 1)
    assert [producer.done for producer in filled.producers] == [True, True] and filled.sent == 2 * EACH


def test_another_one_after_it_sends_everything_again(producers: Producers) -> None:
    fill(producers)
    fill(producers)

    assert set(producers.sent.values()) == {2} and len(producers.sent) == 2 * EACH
