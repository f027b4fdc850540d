"""Runs one handler to its end: again on a clash, waiting while the database is away, and committing once."""

import contextlib
import random
import time
from typing import Any

import eventlet
import pymongo
import structlog
from pymongo.errors import ConnectionFailure, NetworkTimeout

from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.mongo.client import is_transient
from touchstone_chassis.observability import tracing
from touchstone_chassis.unit_of_work.committer import COMMIT_S_MAX
from touchstone_chassis.unit_of_work.transaction import (
    AlreadyProcessed,
    AnswerStored,
    ClaimLost,
    Clash,
    CompletionRecord,
    IndexViolated,
)
from touchstone_chassis.unit_of_work.unit import Origin, UnitOfWork
from touchstone_contracts.errors import AlreadyExists, Conflict, DeadlineExceeded, Unavailable

log = structlog.get_logger(__name__)

CLASHES_MAX = 8
VIOLATIONS_MAX = 2
"""For a caller. What nobody waits for is tried as often as after a clash: what another replica wrote keeps others out
at once, but is read only when a majority has it, and a message must not be given up for that."""
PAUSE_S_FIRST, PAUSE_S_MAX = 0.05, 2.0
_AWAY = "The database cannot be reached at the moment."
_TOO_LATE = "The deadline passed while the call was carried out; nothing was changed."

TELLING_S = 1.5
"""A call whose time ran out in the database says something of the database only if it had so long."""
NEARLY_S = 0.1
"""The driver gives up so long before a deadline, where an answer would take longer than what is left."""
PATIENCE_S = 5.0
"""How long a call waits for a database that is away; a caller that has time left asks again with the same key."""


class Deferred(Exception):
    """Not now: the database is away, or so it seems (see the cause). Nothing was changed; to be begun again later."""


class HandlerBroke(Exception):
    """A handler raised something that is no Exception, a timeout of its own for instance."""


class Execution:
    """One handler's run. A kind of handler says what an attempt is, and what marks it as done.

    `until` is the caller's deadline (unix time, seconds): past it no commit is begun, and a database that is away
    is waited for no longer than PATIENCE_S. Without one Deferred is raised, so that nothing that only waits holds a
    worker; what is `patient` waits here until the process drains.
    """

    patient = False

    def __init__(self, resources: Resources, unit: UnitOfWork, origin: Origin, *, until: float | None = None):
        self.resources, self.unit, self.origin, self.until = resources, unit, origin, until
        self._clashes = self._violations = 0
        self._pause_s = PAUSE_S_FIRST

    def attempt(self) -> Any:
        """Call the service's method. May run several times, each time with an empty unit of work."""
        raise NotImplementedError

    def completion(self, result: Any) -> CompletionRecord:
        """What is committed with the changes, so that the cause counts as dealt with."""
        return CompletionRecord()

    def run(self) -> Any:
        """Attempt, commit, and give the attempt's result.

        Raises what the attempt raises, AlreadyProcessed, AnswerStored, ClaimLost, AlreadyExists, Conflict,
        DeadlineExceeded, Unavailable, Deferred or HandlerBroke.
        """
        if self.until is not None and self.resources.circuit_breaker.open_for_s > PATIENCE_S:
            raise Unavailable(_AWAY)
        self.unit.until = self.until
        while True:
            self.unit.reset()
            began = time.monotonic()
            try:
                with self._database_time():
                    tracing.event("handler_begun")
                    try:
                        result = self.attempt()
                    except (Exception, eventlet.greenlet.GreenletExit):
                        raise
                    except BaseException as error:  # nameko would neither acknowledge nor reject: the slot were lost
                        raise HandlerBroke(f"{type(error).__name__}: {error}") from None
                    tracing.event("handler_done")
                    self._commit(result)
                return result
            except (AlreadyProcessed, AnswerStored, ClaimLost):
                raise
            except IndexViolated as violated:
                self._decide_again(violated)
            except Clash as clash:
                self._read_again(clash)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.info("database_did_not_answer", error=type(error).__name__)
                self._tell(error, time.monotonic() - began)
                self._wait_or_give_up(error)

    def _commit(self, result: Any) -> None:
        within_s = COMMIT_S_MAX
        if self.until is not None:
            if time.time() > self.until:
                raise DeadlineExceeded(_TOO_LATE)
            within_s = min(COMMIT_S_MAX, max(0.001, self.until - time.time()))
        self.resources.committer.commit(self.unit, self.origin, self.completion(result), within_s=within_s)

    def _decide_again(self, violated: IndexViolated) -> None:
        """Somebody was faster: decided again, the handler sees what they wrote. If not, the index has the last word."""
        self._violations += 1
        if self._violations > (CLASHES_MAX if self.until is None else VIOLATIONS_MAX):
            raise AlreadyExists(str(violated)) from None
        eventlet.sleep(_clash_pause_s(self._violations))

    def _read_again(self, clash: Clash) -> None:
        self._clashes += 1
        if self._clashes > CLASHES_MAX:
            raise Conflict(f"{clash} is being changed by others; try again.") from None
        eventlet.sleep(_clash_pause_s(self._clashes))

    def _tell(self, error: Exception, tried_s: float) -> None:
        """Hold up everybody only for what nothing else explains: no caller in a hurry, and no hot document."""
        circuit_breaker = self.resources.circuit_breaker
        if self.until is not None and time.time() + NEARLY_S > self.until:
            if tried_s > TELLING_S:
                circuit_breaker.probe()
        elif isinstance(error, ConnectionFailure) and not isinstance(error, NetworkTimeout):
            circuit_breaker.trip()
        else:
            probe = circuit_breaker.probe()
            if self.until is None:
                probe.wait()

    def _wait_or_give_up(self, error: Exception) -> None:
        draining = self.resources.draining
        if self.until is not None:
            too_late = time.time() + self._pause_s > self.until
            if draining or too_late or self.resources.circuit_breaker.open_for_s > PATIENCE_S:
                raise Unavailable(_AWAY)
        elif draining or not self.patient:
            raise Deferred from error
        eventlet.sleep(self._pause_s)
        self._pause_s = min(PAUSE_S_MAX, self._pause_s * 2)

    def _database_time(self) -> contextlib.AbstractContextManager[Any]:
        """Let no statement and no commit outlast the caller: the driver would try a transaction for two minutes."""
        if self.until is None:
            return contextlib.nullcontext()
        return pymongo.timeout(max(self.until - time.time(), 0.001))


def _clash_pause_s(times: int) -> float:
    return random.uniform(0, min(0.3, 0.01 * 2**times))
