"""Compares the broker's queues with what the topology says of them, without making or changing one.

A queue is declared passively, so that a missing one is not made, and then actively with the arguments that it should
have: for a queue that exists the broker compares them and changes nothing. See docs/adr/0019.
"""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import amqp
import eventlet
import structlog
from eventlet.greenthread import GreenThread

from touchstone_chassis.amqp import connections

log = structlog.get_logger(__name__)

COMPARED_EVERY_S, COMPARED_AGAIN_S = 30.0, 5.0
ANSWER_S_MAX = 5.0
WAITED_S_MAX = 1.0
"""How long the check waits for a comparison: less than readiness waits for it. What is found later is told later."""
_DIFFERENCE = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)'.*?: received (?P<wanted>.+?) but current is (?P<found>.+)$"
)
_WAY_OUT = "see docs/runbooks/change-a-queue.md"


class QueueArguments:
    """A check for readiness. Where the broker cannot be asked it fails nobody: others say so already."""

    def __init__(
        self,
        uri: Callable[[], str],
        expected: Callable[[], Mapping[str, Mapping[str, Any]]],
        monotonic: Callable[[], float] = time.monotonic,
    ):
        """`expected` gives the arguments that each queue should have, by its name."""
        self._uri, self._expected, self._monotonic = uri, expected, monotonic
        self._known: tuple[bool, str] = (True, "not compared yet")
        self._known_until = 0.0
        self._comparing: GreenThread | None = None

    def __call__(self) -> tuple[bool, str]:
        under_way = self._comparing is not None and not self._comparing.dead
        if not under_way and self._monotonic() >= self._known_until:
            self._comparing, under_way = eventlet.spawn(self._renew), True
        if under_way and self._comparing is not None:
            with eventlet.Timeout(WAITED_S_MAX, False):
                self._comparing.wait()
        return self._known

    def _renew(self) -> None:
        try:
            self._known = self._compare()
        except Exception as error:  # nobody may be waiting who would hear of it
            log.error("queues_not_compared", exc_info=error)
            self._known = False, f"the comparison failed: {type(error).__name__}"
        self._known_until = self._monotonic() + (COMPARED_EVERY_S if self._known[0] else COMPARED_AGAIN_S)

    def _compare(self) -> tuple[bool, str]:
        expected = self._expected()
        connection = None
        try:
            with eventlet.Timeout(ANSWER_S_MAX, TimeoutError):
                connection = connections.connect(self._uri(), name="touchstone queue check")
                found = {queue: compared(connection, queue, wanted) for queue, wanted in expected.items()}
                connection.close()
        except connections.CONNECTION_ERRORS as error:
            connections.avoid(connection)  # it may be frozen: another node first, where there is one
            return True, f"not compared: no answer from the broker ({type(error).__name__})"
        finally:
            connections.close_quietly(connection)
        return _summary(found)


def compared(connection: amqp.Connection, queue: str, wanted: Mapping[str, Any]) -> str | None:
    """What is wrong with `queue`; None when nothing is, and an empty text when it may not be compared."""
    try:
        connection.channel().queue_declare(queue, passive=True)
        connection.channel().queue_declare(queue, durable=True, auto_delete=False, arguments=dict(wanted))
    except amqp.NotFound:
        return f"{queue} does not exist: run `touchstone provision`"
    except amqp.AccessRefused:
        return ""
    except amqp.PreconditionFailed as error:
        return _difference(queue, str(error))
    return None


def _difference(queue: str, text: str) -> str:
    found = _DIFFERENCE.search(text)
    if found is None:
        return f"{queue} is not as it should be ({text[:200]}): {_WAY_OUT}"
    return f"{queue} has {found['argument']} {_plain(found['found'])} instead of {_plain(found['wanted'])}: {_WAY_OUT}"


def _plain(value: str) -> str:
    """`7` for the broker's `'7'`, `x` for its `the value 'x' of type 'longstr'`."""
    quoted = re.search(r"'([^']*)'", value)
    return quoted[1] if quoted else value


def _summary(found: Mapping[str, str | None]) -> tuple[bool, str]:
    wrong = [sentence for sentence in found.values() if sentence]
    unknown = [queue for queue, sentence in found.items() if sentence == ""]
    if wrong:
        return False, "; ".join(wrong)
    if unknown:
        return True, f"not allowed to compare {len(unknown)} of {len(found)} queues: the user has no configure right"
    return True, f"{len(found)} queues are as they should be"
