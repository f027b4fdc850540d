"""Starts a process again when it dies, with a growing pause between two deaths that follow each other closely."""

import contextlib
import math
import threading
import time
from collections.abc import Iterable, Mapping

from touchstone_devkit.eventually import awaited
from touchstone_devkit.processes.running import LocalProcess, ProcessDidNotStart

PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 15.0
STEADY_AFTER_S = 30.0
"""A process that lived so long has recovered: its next pause is the first again."""
CHECK_INTERVAL_S = 0.1


class Supervised(LocalProcess):
    """A process that is to run until it is stopped. `restarts` counts how often it was started again."""

    restarts = 0
    _held = False
    _pause_s = PAUSE_FIRST_S
    _launched_at = 0.0
    _restart_at: float | None = None

    def launch(self) -> None:
        super().launch()
        self._launched_at = time.monotonic()
        self._restart_at = None

    def restart_with(
        self, environment: Mapping[str, str], *, command: list[str] | None = None, timeout_s: float = 60
    ) -> None:
        """Asks it to stop; the supervisor then starts it with this environment (and command). Returns when it is ready.

        Raises TimeoutError. It counts in `restarts`, and the pause before it is the first.
        """
        before = self.pid
        self.environment, self.command = environment, command or self.command
        self.forget_deaths()
        self.ask_to_stop()
        awaited(lambda: self.pid not in (0, before) and self.is_ready(), f"{self.name} did not come back", timeout_s)

    def hold(self) -> None:
        """Stops it, as `stop` does, and the supervisor leaves it stopped until `release`."""
        self._held = True
        self.stop()

    def release(self) -> None:
        """After `hold`: the supervisor starts it again, after the first pause; it counts in `restarts`."""
        self.forget_deaths()
        self._held = False

    def forget_deaths(self) -> None:
        """The pause after the next death is the first again, however soon that comes."""
        self._launched_at = -math.inf

    def restart_if_dead(self) -> None:
        """To be called again and again: notices a death, waits out the pause, starts."""
        now = time.monotonic()
        if self._held or self.is_running():
            return
        if self._restart_at is None:
            steady = now - self._launched_at > STEADY_AFTER_S
            self._pause_s = PAUSE_FIRST_S if steady or not self.restarts else min(self._pause_s * 2, PAUSE_MAX_S)
            self._restart_at = now + self._pause_s
        elif now >= self._restart_at:
            self.restarts += 1
            self._restart_at = None
            with contextlib.suppress(ProcessDidNotStart):  # its port is still held: that is a death like any other
                self.launch()


class Supervisor:
    """One thread that keeps a set of processes running between `start()` and `stop()`."""

    def __init__(self, processes: Iterable[Supervised]) -> None:
        self._processes = list(processes)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After this nothing is started again. The processes themselves go on."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(CHECK_INTERVAL_S):
            for process in self._processes:
                process.restart_if_dead()
