"""What can be done to a server that tests hurt: ended, killed, frozen, started again with the same ports and data."""

import signal
from collections.abc import Callable

from touchstone_devkit.eventually import awaited
from touchstone_devkit.processes.running import LocalProcess

END_TIMEOUT_S = 60


class Hurtable:
    """One server process. `accepts_clients` waits, after a start, until clients can use it."""

    def __init__(self, process: LocalProcess, accepts_clients: Callable[[], None]) -> None:
        self.process = process
        self.is_frozen = False
        self._accepts_clients = accepts_clients

    @property
    def is_running(self) -> bool:
        """True also while it is frozen."""
        return self.process.is_running()

    def term(self) -> None:
        """SIGTERM; returns when it has ended. Raises TimeoutError after a minute."""
        self._end_by(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL; returns when it has ended."""
        self._end_by(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: its connections stay open and nothing is answered."""
        self._send(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        self._send(signal.SIGCONT)
        self.is_frozen = False

    def start(self) -> None:
        """After `term` or `kill`: the same ports and data. Returns when it accepts clients."""
        self.process.launch()
        self.wait_until_usable()

    def wait_until_usable(self) -> None:
        """After it was launched: until it accepts clients. Raises ProcessDidNotStart or TimeoutError."""
        self.is_frozen = False
        self.process.wait_until_ready()
        self._accepts_clients()

    def _send(self, number: int) -> None:
        if not self.is_running:
            raise RuntimeError(f"{self.process.name} is not running")
        self.process.signal(number)

    def _end_by(self, number: int) -> None:
        self._send(number)
        slow = f"{self.process.name} did not end by signal {number}"
        awaited(lambda: not self.is_running, slow, END_TIMEOUT_S, every_s=0.02)
        self.is_frozen = False
