"""Runs one handler to its end: again on a clash, waiting while the database is away, and committing once."""

import contextlib
import random
import time
from collections.abc import Callable
from typing import Any

import eventlet
import pymongo
import structlog
from pymongo.errors import ConnectionFailure, NetworkTimeout

from touchstone_chassis.handlers.resources import Resources
from touchstone_chassis.mongo.client import is_transient
from touchstone_chassis.observability.spans import mark
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
PAUSE_S_MAX = 2.0
_AWAY = "The database cannot be reached at the moment."


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


def run(
    resources: Resources,
    unit: UnitOfWork,
    handler: Callable[[], Any],
    *,
    origin: Origin,
    complete: Callable[[Any], CompletionRecord],
    until: float | None = None,
    patient: bool = False,
) -> Any:
    """Run `handler`, commit what it changed together with `complete(result)`, and return its result.

    `until` is the caller's deadline (unix time, seconds): past it no commit is begun, and a database that is away
    is waited for no longer than PATIENCE_S. Without one Deferred is raised, so that nothing that only waits holds a
    worker; what is `patient` waits here until the process drains. Raises what the handler raises, AlreadyProcessed,
    AnswerStored, ClaimLost, AlreadyExists, Conflict, DeadlineExceeded, Unavailable, Deferred or HandlerBroke.
    """
    if until is not None and resources.circuit_breaker.open_for_s > PATIENCE_S:
        raise Unavailable(_AWAY)
    unit.until = until
    clashes, violations, pause_s = 0, 0, 0.05
    while True:
        unit.reset()
        began = time.monotonic()
        try:
            with _database_time(until):
                mark("handler_begun")
                result = _call(handler)
                mark("handler_done")
                if until is not None and time.time() > until:
                    raise DeadlineExceeded("The deadline passed while the call was carried out; nothing was changed.")
                within_s = COMMIT_S_MAX if until is None else min(COMMIT_S_MAX, max(0.001, until - time.time()))
                resources.committer.commit(unit, origin, complete(result), within_s=within_s)
            return result
        except (AlreadyProcessed, AnswerStored, ClaimLost):
            raise
        except IndexViolated as violated:
            # Somebody was faster: decided again, the handler sees what they wrote. If not, the index has the last word.
            violations += 1
            if violations > (CLASHES_MAX if until is None else VIOLATIONS_MAX):
                raise AlreadyExists(str(violated)) from None
            eventlet.sleep(_pause_s(violations))
        except Clash as clash:
            clashes += 1
            if clashes > CLASHES_MAX:
                raise Conflict(f"{clash} is being changed by others; try again.") from None
            eventlet.sleep(_pause_s(clashes))
        except Exception as error:
            if not is_transient(error):
                raise
            log.info("database_did_not_answer", error=type(error).__name__)
            _tell(resources, error, until, time.monotonic() - began)
            _wait_or_give_up(resources, until, patient, pause_s, error)
            pause_s = min(PAUSE_S_MAX, pause_s * 2)


def _pause_s(times: int) -> float:
    return random.uniform(0, min(0.3, 0.01 * 2**times))


def _tell(resources: Resources, error: Exception, until: float | None, tried_s: float) -> None:
    """Hold up everybody only for what nothing else explains: not for a caller in a hurry, nor for a hot document."""
    if until is not None and time.time() + NEARLY_S > until:
        if tried_s > TELLING_S:
            resources.circuit_breaker.probe()
    elif isinstance(error, ConnectionFailure) and not isinstance(error, NetworkTimeout):
        resources.circuit_breaker.trip()
    else:
        doubt = resources.circuit_breaker.probe()
        if until is None:
            doubt.wait()


def _wait_or_give_up(
    resources: Resources, until: float | None, patient: bool, pause_s: float, error: Exception
) -> None:
    if until is not None:
        if resources.draining or time.time() + pause_s > until or resources.circuit_breaker.open_for_s > PATIENCE_S:
            raise Unavailable(_AWAY)
    elif resources.draining or not patient:
        raise Deferred from error
    eventlet.sleep(pause_s)


def _database_time(until: float | None) -> contextlib.AbstractContextManager[Any]:
    """Let no statement and no commit outlast the caller: the driver alone would try a transaction for two minutes."""
    if until is None:
        return contextlib.nullcontext()
    return pymongo.timeout(max(until - time.time(), 0.001))


def _call(handler: Callable[[], Any]) -> Any:
    try:
        return handler()
    except Exception:
        raise
    except eventlet.greenlet.GreenletExit:
        raise
    except BaseException as error:  # nameko would neither acknowledge nor reject, and the slot would be lost
        raise HandlerBroke(f"{type(error).__name__}: {error}") from None
