"""Starts the benchmark's own processes and ends every one of them, however the benchmark itself ends."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from touchstone_devkit.folders import new_run_folder
from touchstone_devkit.processes.leftovers import Ledger

READY = "ready"
STOP_S, CHECK_S = 20.0, 0.01
END_S = 120.0
"""A process that should end soon has this long."""


class ChildFailed(RuntimeError):
    """A process did not start, or ended in another way than it should; the message has the end of what it said."""


class Child:
    """One process, leader of a group of its own; what it prints is in `out_path` and `errors_path`."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], out_path: Path, errors_path: Path) -> None:
        self.name, self.pid, self.out_path, self.errors_path = name, process.pid, out_path, errors_path
        self._process = process

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, timeout_s: float) -> None:
        """Until it printed the line `ready`. Raises ChildFailed."""
        until = time.monotonic() + timeout_s
        while READY not in self.out_path.read_text().splitlines():
            if not self.is_running():
                raise self._failure("ended before it was ready")
            if time.monotonic() > until:
                raise self._failure(f"was not ready after {timeout_s:g} s")
            time.sleep(CHECK_S)

    def succeeded(self, timeout_s: float = END_S) -> str:
        """What it printed, once it has ended. Raises ChildFailed if it ended in an error, or not in time."""
        try:
            code = self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise self._failure(f"had not ended after {timeout_s:g} s") from None
        if code != 0:
            raise self._failure(f"ended with {code}")
        return self.out_path.read_text()

    def signal(self, number: int) -> None:
        """To its whole group, if that is there."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def end(self) -> None:
        """Waits for one that was asked to stop, then kills its group."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=STOP_S)
        self.signal(signal.SIGKILL)
        self._process.wait()

    def _failure(self, what: str) -> ChildFailed:
        return ChildFailed(f"{self.name} {what}: {self.errors_path.read_text()[-1500:].strip()}")


class Children(contextlib.ExitStack):
    """All processes of one benchmark. At the end of the block none is left; a keeper sees to it even after SIGKILL."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(new_run_folder())
        self.folder = self.ledger.folder
        self._running: list[Child] = []
        self._started = 0
        self.callback(self.ledger.close)
        self.callback(lambda: self.stop(*self._running))

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Child:
        """`environment` comes on top of this process's own."""
        self._started += 1
        out_path, errors_path = (self.folder / f"{self._started}-{name}.{kind}" for kind in ("out", "log"))
        env = {**os.environ, **environment}
        with out_path.open("wb") as out, errors_path.open("wb") as errors:
            process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True
            )
        child = Child(name, process, out_path, errors_path)
        self._running.append(child)
        self.ledger.add_process(child.pid)
        return child

    @contextlib.contextmanager
    def running(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Child]:
        """A process for the length of a block."""
        child = self.start(name, command, environment)
        try:
            yield child
        finally:
            self.stop(child)

    def stop(self, *children: Child) -> None:
        """All are asked first, so that nobody waits for another. What they printed is dropped with them."""
        for child in children:
            child.signal(signal.SIGTERM)
        for child in children:
            child.end()
            self.ledger.remove_process(child.pid)
            self._running.remove(child)
            child.out_path.unlink(missing_ok=True)


def end_on_signals() -> None:
    """SIGTERM and SIGHUP unwind as Ctrl-C does, so that every block is left in order; a second one changes nothing."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

    def end(number: int, _frame: FrameType | None) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in numbers:
        signal.signal(number, end)
