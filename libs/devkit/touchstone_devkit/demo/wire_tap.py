"""Follows every event of the four services over a queue of its own, which goes with the connection."""

import threading
import time
from collections.abc import Callable
from typing import Any

from touchstone.events.watching import watch

_PAUSE_S = 0.01


class WireTap:
    """Inside the block `messages` grows with every event (a decoded CloudEvents mapping) that was published since.

    `told`, if given, is called with each one, in the tap's own thread.
    """

    def __init__(self, amqp_uri: str, told: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self._amqp_uri = amqp_uri
        self._told = told
        self._bound = threading.Event()
        self._ending = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._follow, name="wire_tap", daemon=True)

    def __enter__(self) -> "WireTap":
        self._thread.start()
        if not self._bound.wait(timeout=30) or self._failure:
            raise ConnectionError("cannot follow the events of the broker") from self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(timeout=10)

    def about(self, audit_id: str, type_name: str | None = None) -> list[dict[str, Any]]:
        """The events so far that go back to one audit, by their `audit_id`; of one type if it is named."""
        return [
            message
            for message in list(self.messages)
            if message["data"].get("audit_id") == audit_id and type_name in (None, message["type"])
        ]

    def wait_for(self, probe: Callable[[], Any], *, timeout_s: float, what: str) -> Any:
        """The first true answer of `probe`. Raises TimeoutError saying `what` did not come in time."""
        until = time.monotonic() + timeout_s
        while not (answer := probe()):
            if self._failure:
                raise ConnectionError("lost the events of the broker") from self._failure
            if time.monotonic() > until:
                raise TimeoutError(f"{what}: not within {timeout_s:.0f} s")
            time.sleep(_PAUSE_S)
        return answer

    def _follow(self) -> None:
        try:
            for event in watch(self._amqp_uri):
                if event is not None:
                    self.messages.append(event.message)
                    if self._told:
                        self._told(event.message)
                self._bound.set()
                if self._ending.is_set():
                    return
        except Exception as error:  # the thread's edge: whoever waits is told
            self._failure = error
            self._bound.set()
