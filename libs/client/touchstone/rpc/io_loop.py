"""An I/O loop for pika that has no thread of its own: those that wait for something turn it, one at a time.

pika calls what it needs of it (see pika's AbstractSelectorIOLoop): handlers of file descriptors, timers, callbacks. All
of that runs under `mutex`, and so must everything else that touches pika; only the waiting does not. pika's own IOLoop
cannot do that: its `poll` waits and calls the handlers in one go, and whoever sends would wait until something comes.
"""

import collections
import contextlib
import heapq
import itertools
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

Handler = Callable[[int, int], None]
Ready = list[tuple[int, int]]

_WAIT_S_MAX = 5.0


class IoLoop:
    """Call `wait` and then, under the mutex, `work` with what it gave; both by one thread at a time."""

    READ, WRITE, ERROR = selectors.EVENT_READ, selectors.EVENT_WRITE, 0
    """A failure is told to whoever reads or writes: the next attempt tells them which."""

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self._handlers: dict[int, Handler] = {}
        self._wanted: dict[int, int] = {}
        self._watched: dict[int, int] = {}
        self._selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)()  # eventlet takes it away
        self._timers: list[list[Any]] = []
        self._order = itertools.count()
        self._callbacks: collections.deque[Callable[[], None]] = collections.deque()
        self._waiting = False
        self._woken, self._waking = socket.socketpair()
        self._woken.setblocking(False)
        self._waking.setblocking(False)
        self.add_handler(self._woken.fileno(), self._on_woken, self.READ)

    def wait(self, until: float) -> Ready:
        """What is ready, as pairs of file descriptor and events, once something is or there is something else to do.

        Returns at `until` (of time.monotonic) at the latest. Not under the mutex.
        """
        with self.mutex:
            self._waiting = True  # before the look at what there is: who adds to it looks at this
            timeout_s = self._timeout_s(until)
            self._watch()
        try:
            return [(key.fd, events) for key, events in self._selector.select(timeout_s)]
        finally:
            self._waiting = False

    def work(self, ready: Ready) -> None:
        """Call the handlers of what is ready, then callbacks and timers that are due."""
        for fd, events in ready:
            handler = self._handlers.get(fd)  # an earlier one may have removed it
            if handler is not None:
                handler(fd, events)
        for _ in range(len(self._callbacks)):
            self._callbacks.popleft()()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            callback = heapq.heappop(self._timers)[2]
            if callback is not None:
                callback()

    def write(self) -> None:
        """Write at once what a connection has to send; whoever waits watches for the rest. Only once it is open."""
        for fd in [fd for fd, events in self._wanted.items() if events & self.WRITE]:
            self._handlers[fd](fd, self.WRITE)
        if self._waiting and self._wanted != self._watched:
            self.wake()

    def wake(self) -> None:
        """End the waiting of whoever waits."""
        with contextlib.suppress(OSError):  # full: it wakes up anyway; closed: nobody waits any more
            self._waking.send(b"\0")

    # What pika calls.

    def add_handler(self, fd: int, handler: Handler, events: int) -> None:
        self._handlers[fd] = handler
        self._wanted[fd] = events

    def update_handler(self, fd: int, events: int) -> None:
        self._wanted[fd] = events

    def remove_handler(self, fd: int) -> None:
        del self._handlers[fd], self._wanted[fd]
        if self._watched.pop(fd, None) is not None:
            self._selector.unregister(fd)  # at once: the next connection may have the same number

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> list[Any]:
        timer = [time.monotonic() + delay_s, next(self._order), callback]
        heapq.heappush(self._timers, timer)
        if self._waiting:
            self.wake()
        return timer

    def remove_timeout(self, timer: list[Any]) -> None:
        timer[2] = None

    def add_callback(self, callback: Callable[[], None]) -> None:
        """The only one that needs no mutex: pika resolves names in a thread."""
        self._callbacks.append(callback)
        if self._waiting:
            self.wake()

    def start(self) -> None:
        raise NotImplementedError("threads turn it")

    def stop(self) -> None:
        raise NotImplementedError("threads turn it")

    def close(self) -> None:
        """Nobody turns it any more."""
        self._selector.close()
        self._woken.close()
        self._waking.close()

    def _timeout_s(self, until: float) -> float:
        if self._callbacks:
            return 0
        if self._timers:
            until = min(until, self._timers[0][0])
        return min(max(0.0, until - time.monotonic()), _WAIT_S_MAX)

    def _watch(self) -> None:
        if self._wanted == self._watched:
            return
        for fd, events in self._wanted.items():
            if fd not in self._watched:
                self._selector.register(fd, events)
            elif self._watched[fd] != events:
                self._selector.modify(fd, events)
        self._watched = dict(self._wanted)

    def _on_woken(self, _fd: int, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
