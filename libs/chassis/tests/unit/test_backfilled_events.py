"""An event out of a backfill, known or not: committed at the first try, noted for its run, and no garbage left."""

import datetime
import gc
import weakref
from types import SimpleNamespace
from typing import Any, cast

import eventlet
import pytest
from pymongo.database import Database

from touchstone_chassis.handlers.events import BackfilledExecution
from touchstone_chassis.unit_of_work.committer import Committer
from touchstone_chassis.unit_of_work.transaction import AlreadyProcessed
from touchstone_chassis.unit_of_work.unit import UnitOfWork
from touchstone_contracts.bookkeeping import DEAD_LETTERS, INBOX
from touchstone_testing.event_keys import unsigned
from touchstone_testing.memory_mongo import MemoryDatabase

NOON = datetime.datetime(2026, 3, 5, 12, tzinfo=datetime.UTC)
LIVE, OF_THE_RUN = "toy.keep/e-1", "toy.keep/run-1/e-1"
ENVELOPE = SimpleNamespace(id="e-1", type="membership.organisation_recorded.v1", correlationid="c", traceparent=None)

pytestmark = pytest.mark.usefixtures("fixed_time")


class Consumer:
    """Handles one event of a run; counts the tries to commit."""

    def __init__(self) -> None:
        self.database, self.tries, self.handled = MemoryDatabase(), 0, 0
        self._committer = Committer(
            cast(Database, self.database),
            event_time=lambda: NOON,
            sign=unsigned,
            committed=lambda *_: None,
            now=lambda: NOON,
        )

    def commit(self, *given: Any, **more: Any) -> None:
        self.tries += 1
        self._committer.commit(*given, **more)

    def handle(self, *, copies: bool) -> None:
        resources = SimpleNamespace(service="toy", committer=self, circuit_breaker=SimpleNamespace(open_for_s=0.0))
        unit = UnitOfWork(cast(Database, self.database))
        invocation: Any = SimpleNamespace(
            entrypoint=SimpleNamespace(resources=resources), unit=unit, subject=SimpleNamespace(headers={})
        )
        given = (invocation, self._method, None, ENVELOPE, "keep")
        BackfilledExecution(*given, run="run-1", copies=copies).run()

    def _method(self, _event: Any, _envelope: Any) -> None:
        self.handled += 1

    def noted(self) -> set[str]:
        return {document["_id"] for document in self.database[INBOX].find({})}


@pytest.mark.parametrize(("copies", "handled"), [(True, 1), (False, 0)])
@pytest.mark.parametrize("known", [True, False])
def test_whether_it_is_known_or_not_one_try_commits_it(known: bool, copies: bool, handled: int) -> None:
    consumer = Consumer()
    if known:
        consumer.database[INBOX].insert_one({"_id": LIVE})

    consumer.handle(copies=copies)

    assert (consumer.tries, consumer.handled) == (1, handled)
    assert consumer.noted() == {LIVE, OF_THE_RUN}


def test_one_that_comes_by_itself_meanwhile_is_noted_for_the_run_all_the_same() -> None:
    consumer = Consumer()

    def overtaken(*_: Any) -> None:
        if not consumer.tries:
            consumer.database[INBOX].insert_one({"_id": LIVE})

    consumer._method = overtaken  # type: ignore[method-assign]
    consumer.handle(copies=True)

    assert consumer.tries == 2 and consumer.noted() == {LIVE, OF_THE_RUN}


def test_what_a_repeat_held_goes_with_it_and_waits_for_no_collection_of_garbage() -> None:
    consumer = Consumer()
    consumer.handle(copies=False)

    def repeated() -> weakref.ref[Any]:
        try:
            consumer.handle(copies=False)
        except AlreadyProcessed as error:  # pytest.raises would keep it
            return weakref.ref(error)
        raise AssertionError("it was handled twice")

    gc.collect()
    gc.disable()
    try:
        error = repeated()
        eventlet.sleep(0)  # the hub holds what it has just handed over
        assert error() is None
    finally:
        gc.enable()


def test_one_of_which_a_dead_letter_waits_is_left_to_that() -> None:
    consumer = Consumer()
    consumer.database[DEAD_LETTERS].insert_one({"_id": "letter-1", "event_id": "e-1"})

    consumer.handle(copies=False)

    assert consumer.noted() == {OF_THE_RUN}
