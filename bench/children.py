"""Starts the benchmark's own processes and ends every one of them, however the benchmark itself ends."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType

from touchstone_devkit.folders import new_run_folder
from touchstone_devkit.processes.leftovers import Ledger

READY = "ready"
STOP_S = 20.0
CHECK_S = 0.01
END_S = 120.0
"""A process that should end soon has this long."""


class ChildFailed(RuntimeError):
    """A process did not start, or ended in another way than it should; the message has the end of what it said."""


class Child:
    """One process, leader of a group of its own; what it prints is in `out_path` and `errors_path`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], out_path: Path, errors_path: Path) -> None:
        self.name, self.out_path, self.errors_path = name, out_path, errors_path
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, timeout_s: float) -> None:
        """Until it printed the line `ready`. Raises ChildFailed."""
        until = time.monotonic() + timeout_s
        while READY not in self.out_path.read_text().splitlines():
            if not self.is_running():
                raise self.failure("ended before it was ready")
            if time.monotonic() > until:
                raise self.failure(f"was not ready after {timeout_s:g} s")
            time.sleep(CHECK_S)

    def succeeded(self, timeout_s: float = END_S) -> str:
        """What it printed, once it has ended. Raises ChildFailed if it ended in an error, or not in time."""
        try:
            code = self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise self.failure(f"had not ended after {timeout_s:g} s") from None
        if code != 0:
            raise self.failure(f"ended with {code}")
        return self.out_path.read_text()

    def failure(self, what: str) -> ChildFailed:
        return ChildFailed(f"{self.name} {what}: {self.errors_path.read_text()[-1500:].strip()}")

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Asks, waits, then kills its whole group. Safe to repeat."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=STOP_S)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class Children:
    """All processes of one benchmark. At the end of the block none is left; a keeper sees to it even after SIGKILL."""

    def __init__(self) -> None:
        self.ledger = Ledger(new_run_folder())
        self.folder = self.ledger.folder
        self._running: list[Child] = []
        self._started = 0

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """`environment` comes on top of this process's own."""
        self._started += 1
        out_path, errors_path = (self.folder / f"{self._started}-{name}.{kind}" for kind in ("out", "log"))
        with out_path.open("wb") as out, errors_path.open("wb") as errors:
            process = subprocess.Popen(
                list(command),
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
            )
        child = Child(name, process, out_path, errors_path)
        self._running.append(child)
        self.ledger.add_process(child.pid)
        return child

    def stop(self, *children: Child) -> None:
        """All are asked first, so that nobody waits for another. What they printed is dropped with them."""
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.stop()
            self.ledger.remove_process(child.pid)
            self._running.remove(child)
            child.out_path.unlink(missing_ok=True)

    def pids(self) -> list[int]:
        return [child.pid for child in self._running]

    def close(self) -> None:
        self.stop(*self._running)
        self.ledger.close()

    def __enter__(self) -> "Children":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def end_on_signals() -> None:
    """SIGTERM and SIGHUP unwind as Ctrl-C does, so that every block is left in order; a second one changes nothing."""

    def end(number: int, _frame: FrameType | None) -> None:
        for other in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
