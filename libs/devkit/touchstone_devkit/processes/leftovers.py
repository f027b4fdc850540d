"""Ends what a run of ours started when its owner has gone without ending it, whatever the owner died of.

Each run folder has a ledger of the processes and containers that were started for it. A small keeper process holds the
other end of a pipe from the owner: when the owner dies, even by SIGKILL, the pipe closes and the keeper ends everything
that is still in the ledger. Should the keeper be killed too, the next run in this checkout does it (`end_stale_runs`).
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from touchstone_devkit.folders import DATA, RUNS, new_run_folder

LEDGER = "ledger.json"
GRACE_S = 15.0
KEPT_RUNS = 5


class Ledger:
    """What one owner (this process) has started and must end; kept in a file of the run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._content: dict[str, Any] = {"owner": identity(os.getpid()), "processes": [], "containers": []}
        self._write()
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "touchstone_devkit.processes.leftovers", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def add_process(self, pid: int, stop_signal: int = signal.SIGTERM) -> None:
        """`pid` leads a process group of its own: the whole group is what must end, asked to by `stop_signal` first."""
        self._content["processes"].append([*identity(pid), int(stop_signal)])
        self._write()

    def remove_process(self, pid: int) -> None:
        self._content["processes"] = [known for known in self._content["processes"] if known[0] != pid]
        self._write()

    def add_container(self, container_id: str) -> None:
        self._content["containers"].append(container_id)
        self._write()

    def remove_container(self, container_id: str) -> None:
        self._content["containers"].remove(container_id)
        self._write()

    def close(self) -> None:
        """Ends what is left, removes the data (logs stay) and lets the keeper go."""
        end_run(self.folder)
        if self._keeper.stdin:
            self._keeper.stdin.close()
        self._keeper.wait()

    def _write(self) -> None:
        draft = self.folder / f"{LEDGER}.new"
        draft.write_text(json.dumps(self._content))
        draft.replace(self.folder / LEDGER)


@contextlib.contextmanager
def new_run() -> Iterator[Ledger]:
    """A ledger in a folder of its own, after what stale runs left was ended. It is closed where the block raises."""
    end_stale_runs(RUNS)
    ledger = Ledger(new_run_folder())
    try:
        yield ledger
    except BaseException:
        ledger.close()
        raise


def end_stale_runs(runs: Path) -> None:
    """Ends what runs without a living owner left behind, and forgets all but the newest few of their folders."""
    stale = [folder for folder in sorted(runs.glob("*/")) if not _owner_lives(folder)]
    for folder in stale:
        end_run(folder)
    for folder in stale[:-KEPT_RUNS]:
        shutil.rmtree(folder, ignore_errors=True)


def end_run(folder: Path) -> None:
    """Ends every process group and container in the ledger of `folder`: asked first, then by force. Safe to repeat."""
    try:
        content = json.loads((folder / LEDGER).read_text())
    except (OSError, ValueError):
        return
    groups = [(int(pid), float(started)) for pid, started, _ in content["processes"]]
    for pid, started, stop_signal in content["processes"]:
        _signal_group(int(pid), float(started), stop_signal)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(_members(*group) for group in groups):
        time.sleep(0.1)
    for pid, started in groups:
        _signal_group(pid, started, signal.SIGKILL)
    for container_id in content["containers"]:
        _remove_container(container_id)
    shutil.rmtree((folder / DATA).resolve(), ignore_errors=True)
    (folder / LEDGER).unlink(missing_ok=True)


def identity(pid: int) -> tuple[int, float]:
    """A process id may be used again, so it counts only together with the time at which the process was started."""
    return pid, psutil.Process(pid).create_time()


def lives(pid: int, started: float) -> bool:
    """Whether the process of that identity is still there."""
    try:
        return bool(abs(psutil.Process(pid).create_time() - started) < 1)
    except psutil.Error:
        return False


def _owner_lives(folder: Path) -> bool:
    try:
        return lives(*json.loads((folder / LEDGER).read_text())["owner"])
    except (OSError, ValueError, KeyError):
        return False


def _members(group: int, started: float) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    leader = next((process for process in members if process.pid == group), None)
    if leader is not None and abs(leader.create_time() - started) >= 1:
        return []
    return [process for process in members if process.create_time() >= started - 1]


def _signal_group(group: int, started: float, number: int) -> None:
    for process in _members(group, started):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _remove_container(container_id: str) -> None:
    import docker  # not needed, and not loaded, where no container was started

    with contextlib.suppress(docker.errors.DockerException):
        docker.from_env().containers.get(container_id).remove(force=True, v=True)


def main() -> None:
    """The keeper: waits until its owner closes the pipe or dies, then ends what the ledger still names."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end_run(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
