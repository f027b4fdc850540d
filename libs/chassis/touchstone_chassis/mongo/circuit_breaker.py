"""Knows whether the database is there, as long as somebody says when it is not, and when it is back."""

import time
from collections.abc import Callable

import eventlet
import structlog
from eventlet.event import Event
from eventlet.greenthread import GreenThread

log = structlog.get_logger(__name__)

ASKED_FIRST_S = 0.1
ASKED_EVERY_S_MAX = 1.0


class CircuitBreaker:
    """Taken to be there until an operation fails; then asked, a few times a second, until it answers."""

    def __init__(self, answers: Callable[[], bool], monotonic: Callable[[], float] = time.monotonic):
        """`answers` says whether the database can be written to; it takes no longer than a second or two."""
        self._answers, self._monotonic = answers, monotonic
        self._back: Event | None = None
        self._since = 0.0
        self._stopped = False
        self._doubt: GreenThread | None = None
        self._answered = True
        self.changes = 0
        """Rises when a question finds it away, and when one finds it back: unchanged, it was there all the time."""

    @property
    def open_for_s(self) -> float:
        """Since when it is known to be away; 0 while it is there."""
        return self._monotonic() - self._since if self._back is not None else 0.0

    def trip(self) -> None:
        """An operation failed for want of the database."""
        if self._back is None and not self._stopped:
            self._back, self._since = Event(), self._monotonic()
            log.warning("database_away")
            eventlet.spawn(self._watch, self._back)

    def probe(self) -> GreenThread:
        """An operation failed, perhaps for another reason: it is asked, and lost only if it does not answer.

        Who waits for the green thread that is returned knows then.
        """
        if self._doubt is None or self._doubt.dead:
            self._doubt = eventlet.spawn(self._clear_up)
        return self._doubt

    def wait(self, timeout_s: float) -> bool:
        """Whether it is there, after `timeout_s` at most."""
        if self._back is not None:
            with eventlet.Timeout(timeout_s, False):
                self._back.wait()
        return self._back is None

    def stop(self) -> None:
        self._stopped = True

    def answers(self) -> bool:
        """Ask now."""
        answered = self._ask()
        if not answered or not self._answered:
            self.changes += 1
        self._answered = answered
        return answered

    def _clear_up(self) -> None:
        if self._back is None and not self.answers():
            self.trip()

    def _watch(self, back: Event) -> None:
        pause_s = ASKED_FIRST_S
        while not self._stopped:
            eventlet.sleep(pause_s)
            if self.answers():
                log.info("database_back", away_s=round(self.open_for_s, 1))
                break
            pause_s = min(ASKED_EVERY_S_MAX, pause_s * 2)
        self._back = None
        back.send()

    def _ask(self) -> bool:
        try:
            return self._answers()
        except (Exception, eventlet.Timeout):
            return False
