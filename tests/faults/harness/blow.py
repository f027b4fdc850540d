"""When a fault struck, and from which moment on the system is expected to recover from it."""

import threading
import time


class Blow:
    """One fault in one case; times in unix seconds, None until it has come to that."""

    def __init__(self) -> None:
        self.struck_at: float | None = None
        self.recovers_from: float | None = None
        self._recovering = threading.Event()
        self._over = threading.Event()
        self.begun_at = time.monotonic()

    def strike(self) -> None:
        """It happens now."""
        self.struck_at = time.time()

    def recover(self, at: float | None = None) -> None:
        """From now on (or from `at`) the system has what it needs: its recovery is measured from here."""
        self.recovers_from = at or time.time()
        self._recovering.set()

    def end(self) -> None:
        """Everything is as it was before: servers that were down are up again."""
        self._recovering.set()
        self._over.set()

    @property
    def over(self) -> bool:
        return self._over.is_set()

    def wait_until_recovering(self, timeout_s: float) -> None:
        """Also ends when the fault could not be inflicted."""
        self._recovering.wait(timeout_s)

    def wait_until_over(self, timeout_s: float) -> bool:
        return self._over.wait(timeout_s)
