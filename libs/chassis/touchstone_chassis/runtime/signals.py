"""Ends a process on a signal: in a green thread first, and past its limit all the same."""

import faulthandler
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import eventlet

DIED = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def signals_heard(act: Callable[[], None], limit_s: float) -> Iterator[None]:
    """Call `act` in a green thread at the first SIGTERM or SIGINT; a second one ends the process at once.

    A Python signal handler may not switch green threads, and the hub may be asleep in poll(): the wakeup descriptor
    is what rouses it. Where a handler that never gives way keeps the hub from its turn, a thread below Python ends the
    process a second after `limit_s`.
    """
    received: list[int] = []

    def handler(signum: int, frame: FrameType | None) -> None:
        received.append(signum)
        if len(received) > 1:
            leave_now(DIED)
        faulthandler.dump_traceback_later(limit_s + 1, exit=True)

    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def listen() -> None:
        reader.recv(1)
        act()

    listener = eventlet.spawn(listen)
    previous_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    previous = {signum: signal.signal(signum, handler) for signum in _SIGNALS}
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous_fd)
        for signum, old in previous.items():
            signal.signal(signum, old)
        faulthandler.cancel_dump_traceback_later()
        listener.kill()
        reader.close()
        writer.close()


def leave_now(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
