"""Starts a process in a group of its own, waits until it answers, and ends it; its output goes to a log file."""

import contextlib
import dataclasses
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mirakuru import Executor, HTTPExecutor, SimpleExecutor, TCPExecutor
from mirakuru.exceptions import TimeoutExpired

from touchstone_devkit.processes.leftovers import Ledger

LOG_TAIL_LINES = 15
CHECK_TIMEOUT_S = 5


class ProcessDidNotStart(RuntimeError):
    """A process ended, or did not answer in time; the message carries the end of its log."""


@dataclasses.dataclass(eq=False, repr=False)
class LocalProcess:
    """One process of a run: ready when its TCP port accepts, or `ready_uri` answers with 2xx; without port, at once."""

    name: str
    command: list[str]
    _: dataclasses.KW_ONLY
    ledger: Ledger
    port: int | None
    ready_uri: str | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cwd: Path | None = None
    start_timeout_s: float = 90
    stop_timeout_s: float = 30
    stop_signal: int = signal.SIGTERM
    _executor: SimpleExecutor | None = dataclasses.field(default=None, init=False)
    _asked_to_stop: bool = dataclasses.field(default=False, init=False)

    @property
    def log_path(self) -> Path:
        return self.ledger.folder / "logs" / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """The process id, also of one that has just died; 0 before the first start."""
        process = self._executor.process if self._executor else None
        return process.pid if process else 0

    def launch(self) -> None:
        """Starts the process, or starts it again after it died, and returns at once."""
        if self._executor is not None:
            self._forget()
        self._asked_to_stop = False
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a") as log:
            self._executor = self._new_executor(log.fileno())
            if isinstance(self._executor, Executor) and self._executor.pre_start_check():
                raise ProcessDidNotStart(f"{self.name}: port {self.port} is taken")
            SimpleExecutor.start(self._executor)  # Executor.start would wait
        self.ledger.add_process(self.pid, self.stop_signal)

    def wait_until_ready(self) -> None:
        """Raises ProcessDidNotStart if it ends first or takes too long."""
        executor = self._executor
        assert executor is not None, f"{self.name} was not launched"
        if not isinstance(executor, Executor):
            return

        def answers() -> bool:
            if not executor.running():
                raise self._failure("ended while starting")
            return bool(executor.after_start_check())

        try:
            executor.wait_for(answers)
        except TimeoutExpired as error:
            raise self._failure(f"did not answer within {self.start_timeout_s:.0f} s") from error

    def start(self) -> None:
        self.launch()
        self.wait_until_ready()

    def is_running(self) -> bool:
        return self._executor is not None and self._executor.running()

    def is_ready(self) -> bool:
        """Asks it now, by a check of its own: that of the start says no once the time for the start is over."""
        check = self._new_executor()
        return self.is_running() and (not isinstance(check, Executor) or bool(check.after_start_check()))

    def signal(self, number: int) -> None:
        """Sends a signal to the process alone, not to its group."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def ask_to_stop(self) -> None:
        """SIGTERM, or the stop signal given, to its group; once, since a second one would cut short how it stops."""
        if self._asked_to_stop or not self.is_running():
            return
        self._asked_to_stop = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, self.stop_signal)

    def stop(self) -> None:
        """Asks it to stop, and kills it when it has not ended in time. Safe to repeat."""
        if self._executor is None or self._executor.process is None:
            return
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._executor.process.wait(self.stop_timeout_s)
        self._forget()

    def log_tail(self) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])

    def _forget(self) -> None:
        """Ends what may be left of its group, and reaps it."""
        if self._executor is not None and self._executor.process is not None:
            pid = self._executor.process.pid
            self._executor.kill()
            self.ledger.remove_process(pid)

    def _new_executor(self, log: int = subprocess.DEVNULL) -> SimpleExecutor:
        options: dict[str, Any] = {
            "timeout": self.start_timeout_s,
            "cwd": self.cwd and str(self.cwd),
            "envvars": dict(self.environment),
            "stdin": subprocess.DEVNULL,
            "stdout": log,
            "stderr": subprocess.STDOUT,
        }
        if self.ready_uri:
            return HTTPExecutor(self.command, self.ready_uri, method="GET", request_timeout=CHECK_TIMEOUT_S, **options)
        if self.port is None:
            return SimpleExecutor(self.command, **options)
        return TCPExecutor(self.command, "127.0.0.1", self.port, **options)

    def _failure(self, what: str) -> ProcessDidNotStart:
        return ProcessDidNotStart(f"{self.name} {what}; the end of {self.log_path}:\n{self.log_tail()}")
