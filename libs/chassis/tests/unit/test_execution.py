"""Running a handler: again on a clash, waiting for the database, never past the caller's deadline."""

import time
from typing import Any

import eventlet
import pytest
from pymongo.errors import (
    AutoReconnect,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from touchstone_chassis.handlers import execution
from touchstone_chassis.handlers.execution import Execution
from touchstone_chassis.unit_of_work.transaction import Clash, IndexViolated
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.errors import AlreadyExists, Conflict, DeadlineExceeded, NotFound, Unavailable

pytestmark = pytest.mark.usefixtures("fixed_time")


class Committing:
    """A committer that fails as it is told, and then counts commits."""

    def __init__(self, *failures: Exception, for_ever: Exception | None = None):
        self.failures, self.for_ever, self.commits = list(failures), for_ever, 0

    def commit(self, unit: Any, origin: Any, completion: Any, *, within_s: float) -> None:
        if self.for_ever:
            raise self.for_ever
        if self.failures:
            raise self.failures.pop(0)
        self.commits += 1


class CircuitBreaker:
    """Says for how long the database has been away, and counts who finds it away and who is not sure."""

    def __init__(self, away_for_s: float = 0):
        self.open_for_s, self.found_away, self.doubts, self.waited_for = away_for_s, 0, 0, 0

    def trip(self) -> None:
        self.found_away += 1

    def probe(self) -> "CircuitBreaker":
        self.doubts += 1
        return self

    def wait(self) -> None:
        self.waited_for += 1


class Parts:
    """The resources that an execution uses."""

    def __init__(self, committer: Committing, draining: bool = False, away_for_s: float = 0):
        self.committer, self.draining = committer, draining
        self.circuit_breaker = CircuitBreaker(away_for_s)


def run(parts: Parts, handler: Any, until: float | None = None, patient: bool = False) -> Any:
    unit = UnitOfWork(None)  # type: ignore[arg-type]
    execution = Handling(parts, unit, Origin("c"), until=until)  # type: ignore[arg-type]
    execution.handler, execution.patient = handler, patient
    return execution.run()


class Handling(Execution):
    """Runs what a test gives it."""

    handler: Any

    def attempt(self) -> Any:
        return self.handler()


def test_a_clash_runs_the_handler_again_and_commits_once():
    parts, runs = Parts(Committing(Clash("a"), Clash("a"))), []

    result = run(parts, lambda: runs.append(1) or len(runs))

    assert result == 3 and parts.committer.commits == 1


def test_a_clash_without_end_becomes_a_retryable_conflict():
    with pytest.raises(Conflict):
        run(Parts(Committing(for_ever=Clash("a"))), lambda: None)


def test_a_violated_index_lets_the_handler_see_who_was_faster():
    parts, runs = Parts(Committing(IndexViolated("one open certificate"))), []

    run(parts, lambda: runs.append(1))

    assert len(runs) == 2 and parts.committer.commits == 1


@pytest.mark.parametrize("waits_s", [None, 60], ids=["nobody waits", "a caller waits"])
def test_an_index_that_stays_violated_has_the_last_word(waits_s):
    until = waits_s and time.time() + waits_s
    with pytest.raises(AlreadyExists):
        run(Parts(Committing(for_ever=IndexViolated("one open certificate"))), lambda: None, until=until)


def test_a_message_is_tried_again_until_what_keeps_it_out_can_be_read():
    parts, runs = Parts(Committing(*[IndexViolated("one first case of an entity")] * 5)), []

    run(parts, lambda: runs.append(1))

    assert len(runs) == 6 and parts.committer.commits == 1


@pytest.mark.parametrize("error", [AutoReconnect("x"), ServerSelectionTimeoutError("x")], ids=repr)
def test_a_database_that_comes_back_costs_a_patient_handler_nothing_but_time(error):
    parts = Parts(Committing(error, error))

    run(parts, lambda: None, patient=True)

    assert parts.committer.commits == 1


def test_a_message_waits_for_the_database_outside_of_its_worker():
    parts = Parts(Committing(AutoReconnect("x")))

    with pytest.raises(execution.Deferred):
        run(parts, lambda: None)

    assert parts.circuit_breaker.found_away == 1


def test_a_call_waits_a_moment_for_a_database_that_comes_back():
    parts = Parts(Committing(AutoReconnect("x")))

    run(parts, lambda: None, until=time.time() + 5)

    assert parts.committer.commits == 1


def test_a_call_is_told_at_once_that_the_database_has_been_away_for_long():
    parts, runs = Parts(Committing(), away_for_s=execution.PATIENCE_S + 1), []

    with pytest.raises(Unavailable):
        run(parts, lambda: runs.append(1), until=time.time() + 60)

    assert runs == []


def test_a_caller_is_told_that_the_database_is_away_before_its_deadline_passes():
    with pytest.raises(Unavailable):
        run(Parts(Committing(for_ever=AutoReconnect("x"))), lambda: None, until=time.time() + 0.3)


def test_a_process_that_drains_gives_up_waiting_for_the_database():
    with pytest.raises(execution.Deferred):
        run(Parts(Committing(for_ever=AutoReconnect("x")), draining=True), lambda: None, patient=True)


def test_nothing_is_committed_past_the_callers_deadline():
    parts = Parts(Committing())

    with pytest.raises(DeadlineExceeded):
        run(parts, lambda: None, until=time.time() - 1)

    assert parts.committer.commits == 0


def test_a_refusal_of_the_domain_is_passed_on():
    def refuse() -> None:
        raise NotFound("nothing there")

    with pytest.raises(NotFound):
        run(Parts(Committing()), refuse)


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), eventlet.Timeout()], ids=repr)
def test_what_is_no_exception_becomes_one(error):
    def blow_up() -> None:
        raise error

    with pytest.raises(execution.HandlerBroke):
        run(Parts(Committing()), blow_up)


def too_slow() -> None:
    """What the driver raises where the time that it was given is over."""
    raise NetworkTimeout("timed out")


def test_a_call_that_has_but_a_moment_says_nothing_of_the_database():
    parts = Parts(Committing())

    with pytest.raises(Unavailable):
        run(parts, too_slow, until=time.time() + 0.02)

    assert parts.circuit_breaker.found_away == parts.circuit_breaker.doubts == 0


def test_a_call_whose_time_ran_out_in_the_database_though_it_had_some_lets_somebody_ask(monkeypatch, fixed_time):
    monkeypatch.setattr(execution, "TELLING_S", 0.05)
    parts = Parts(Committing())

    def wait_in_vain() -> None:
        eventlet.sleep(0.1)
        fixed_time.advance(0.1)
        too_slow()

    with pytest.raises(Unavailable):
        run(parts, wait_in_vain, until=time.time() + 0.1)

    assert (parts.circuit_breaker.found_away, parts.circuit_breaker.doubts) == (0, 1)
    assert parts.circuit_breaker.waited_for == 0


def a_write_conflict() -> PyMongoError:
    return OperationFailure("WriteConflict", 112, {"errorLabels": ["TransientTransactionError"]})


@pytest.mark.parametrize("error", [a_write_conflict(), ExecutionTimeout("x"), NetworkTimeout("x")], ids=repr)
def test_a_commit_that_took_too_long_has_the_database_asked_before_it_is_put_off(error):
    parts = Parts(Committing(error))

    with pytest.raises(execution.Deferred) as defer:
        run(parts, lambda: None)

    assert (parts.circuit_breaker.found_away, parts.circuit_breaker.doubts, parts.circuit_breaker.waited_for) == (
        0,
        1,
        1,
    )
    assert defer.value.__cause__ is error


def test_a_call_in_a_hot_document_does_not_hold_up_everybody():
    parts = Parts(Committing(a_write_conflict()))

    run(parts, lambda: None, until=time.time() + 5)

    assert parts.circuit_breaker.found_away == 0 and parts.committer.commits == 1
