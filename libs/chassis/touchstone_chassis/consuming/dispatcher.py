"""Hands the messages of some queues to workers: as slots are free, and while it makes sense to start."""

from collections.abc import Callable

from eventlet.queue import LightQueue
from eventlet.semaphore import Semaphore

from touchstone_chassis.consuming.delivery import Delivery

HELD_UP_S = 0.25


class Dispatcher:
    """Calls have one without a limit, so that they never wait behind events; everything else shares the other."""

    def __init__(self, start: Callable[[Delivery], bool]):
        """`start` says whether a worker was started, which then holds the slot until `release`."""
        self._start = start
        self.useful: Callable[[float], bool] = lambda _timeout_s: True
        """Waits for at most the given seconds until a handler could do its work, and says whether it could."""
        self._slots: Semaphore | None = None
        self._waiting: LightQueue = LightQueue()

    def limit(self, slots: int) -> None:
        """Start no more than so many at a time."""
        self._slots = Semaphore(slots)

    def put(self, delivery: Delivery) -> None:
        self._waiting.put(delivery)

    def release(self) -> None:
        """A worker has ended."""
        if self._slots is not None:
            self._slots.release()

    def stop(self) -> None:
        self._waiting.put(None)

    def run(self) -> None:
        """Hand on what is put in, until it is stopped; waits here, not in the connection's loop."""
        while (delivery := self._waiting.get()) is not None:
            if self._slots is not None:
                self._slots.acquire()
            while not delivery.pointless and not self.useful(HELD_UP_S):
                pass
            if delivery.pointless:
                delivery.abandon()
                self.release()
            elif not self._start(delivery):
                self.release()
