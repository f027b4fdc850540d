"""Runs relay and event log beside a service's handlers: at once for what was just committed, a sweep for the rest."""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import eventlet
import structlog
from eventlet.event import Event
from eventlet.queue import LightQueue

from touchstone_chassis.mongo.client import is_transient
from touchstone_chassis.observability import metrics
from touchstone_chassis.outbox.event_log import ADOPTED_AT_ONCE, EventLog
from touchstone_chassis.outbox.relay import WINDOW_MAX, Relay

log = structlog.get_logger(__name__)

RELAYS = 2
"""One publishes while the other waits for confirms."""
HANDED_OVER_MAX = 5_000
"""Rows that wait in memory for the relay; while the broker takes nothing, the sweep finds the others stored."""
LOG_EVERY_S = 0.2
"""Confirmed rows are moved to the log together: nobody waits for it, and one that a death leaves goes out once more."""
ADOPT_EVERY_S = 30.0


class BackgroundRelay:
    """Green threads that publish; what fails in one is left to the sweep of any replica."""

    def __init__(
        self,
        relay: Callable[[], Relay],
        event_log: Callable[[], EventLog],
        *,
        sweep_every_s: float,
        lag_limit_s: float,
        doubt: Callable[[], object],
    ):
        """The first two make it, or give it, when it is first needed; `doubt` has the database asked whether it
        answers."""
        self._relay, self._event_log = relay, event_log
        self._sweep_every_s, self._lag_limit_s, self._doubt = sweep_every_s, lag_limit_s, doubt
        self._rows: LightQueue = LightQueue()
        self._confirmed: LightQueue = LightQueue()
        self._relayed = [Event() for _ in range(RELAYS)]
        self._logged, self._stop_sweeping = Event(), Event()
        self._stopping = False
        self._adopt_at = 0.0

    def start(self, spawn: Callable[..., Any]) -> None:
        """`spawn` starts a green thread by its `identifier`, as a nameko container does."""
        for number, relayed in enumerate(self._relayed):
            spawn(functools.partial(self._publish_all, relayed), identifier=f"relay-{number}")
        spawn(self._log_all, identifier="event-log")
        spawn(self._sweep, identifier="outbox-sweep")

    def put(self, rows: Sequence[dict[str, Any]]) -> None:
        """Publish rows that were just committed."""
        if self._rows.qsize() + len(rows) <= HANDED_OVER_MAX:
            for row in rows:
                self._rows.put(row)

    def confirmed(self, rows: Sequence[dict[str, Any]]) -> None:
        """Move rows to the log that the broker has confirmed."""
        for row in rows:
            self._confirmed.put(row)

    def stop(self, within_s: float) -> None:
        """Publish what the last handlers committed; what cannot be published now is swept by another replica."""
        self._stopping = True
        self._rows.put(None)
        self._stop_sweeping.send()
        with eventlet.Timeout(within_s, False):
            for relayed in self._relayed:
                relayed.wait()
        self._confirmed.put(None)
        with eventlet.Timeout(within_s, False):
            self._logged.wait()

    def check_lag(self) -> tuple[bool, str]:
        """A check for readiness: whether the oldest row that waits for the broker is young enough."""
        count, age_s = self._relay().pending()
        metrics.OUTBOX_PENDING.set(count)
        metrics.OUTBOX_OLDEST_AGE_S.set(age_s)
        waiting = f"{count} unpublished, oldest {age_s:.0f} s"
        if age_s <= self._lag_limit_s:
            return True, waiting
        runbook = "see whether the broker takes messages, runbook outbox-lag"
        return False, f"{waiting}, limit {self._lag_limit_s:.0f} s: {runbook}"

    def _publish_all(self, relayed: Event) -> None:
        last = False
        while not last:
            rows = [self._rows.get()]
            while len(rows) < WINDOW_MAX and self._rows.qsize():
                rows.append(self._rows.get())
            last = None in rows
            try:
                self._relay().publish([row for row in rows if row is not None])
            except (Exception, eventlet.Timeout) as error:  # the rows are stored: the sweep takes them
                passing = isinstance(error, eventlet.Timeout) or is_transient(error)
                report = log.warning if passing else log.error
                report("relay_failed", error=type(error).__name__, rows=len(rows))
        self._rows.put(None)  # for the other one
        relayed.send()

    def _log_all(self) -> None:
        last = False
        while not last:
            rows = [self._confirmed.get()]
            with eventlet.Timeout(LOG_EVERY_S, False):
                self._stop_sweeping.wait()
            while self._confirmed.qsize():
                rows.append(self._confirmed.get())
            last = None in rows
            self._log([row for row in rows if row is not None])
        self._logged.send()

    def _log(self, rows: Sequence[dict[str, Any]], at_once: int = WINDOW_MAX) -> None:
        for start in range(0, len(rows), at_once):
            window = rows[start : start + at_once]
            try:
                self._event_log().append(window)
            except (Exception, eventlet.Timeout) as error:  # still in the outbox: the sweep publishes them again
                passing = isinstance(error, eventlet.Timeout) or is_transient(error)
                report = log.warning if passing else log.error
                report("events_not_logged", rows=len(window), error=type(error).__name__)
                if not passing and at_once > 1:
                    self._log(window, at_once=1)  # one of them must not keep the others out

    def _sweep(self) -> None:
        while not self._stopping:
            with eventlet.Timeout(self._sweep_every_s, False):
                self._stop_sweeping.wait()
            try:
                while not self._stopping and self._relay().sweep() >= WINDOW_MAX:
                    pass
                self._adopt()
            except (Exception, eventlet.Timeout) as error:  # database or broker away: at the next turn
                log.warning("sweep_failed", error=type(error).__name__)
                if is_transient(error):  # where nothing comes in, nobody else would notice it
                    self._doubt()

    def _adopt(self) -> None:
        if time.monotonic() < self._adopt_at:
            return
        while not self._stopping and self._event_log().adopt() >= ADOPTED_AT_ONCE:
            eventlet.sleep(0)
        self._adopt_at = time.monotonic() + ADOPT_EVERY_S
