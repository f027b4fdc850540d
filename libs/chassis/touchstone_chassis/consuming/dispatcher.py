"""Hands the messages of some queues to workers: as places are free, and while it makes sense to start."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventlet.queue import LightQueue
from eventlet.semaphore import Semaphore

if TYPE_CHECKING:
    from touchstone_chassis.consuming.consumer import Delivery

HELD_UP_S = 0.25


class Dispatcher:
    """Calls have one without a limit, so that they never wait behind events; everything else shares the other."""

    def __init__(self, start: Callable[["Delivery"], None]):
        self._start = start
        self.useful: Callable[[float], bool] = lambda _timeout_s: True
        """Waits for at most the given seconds until a handler could do its work, and says whether it could."""
        self._places: Semaphore | None = None
        self._waiting: LightQueue = LightQueue()

    def limit(self, places: int) -> None:
        """Start no more than so many at a time."""
        self._places = Semaphore(places)

    def put(self, delivery: "Delivery") -> None:
        self._waiting.put(delivery)

    def stop(self) -> None:
        self._waiting.put(None)

    def run(self) -> None:
        """Hand on what is put in, until it is stopped; waits here, not in the connection's loop."""
        while (delivery := self._waiting.get()) is not None:
            if self._places is not None:
                self._places.acquire()
                delivery.occupies(self._places.release)
            while not delivery.pointless and not self.useful(HELD_UP_S):
                pass
            if delivery.pointless:
                delivery.abandon()
            else:
                self._start(delivery)
