"""`make down`: stops what `make up` started."""

import contextlib
import sys

import psutil

from touchstone_devkit.backing import compose
from touchstone_devkit.folders import RUNS
from touchstone_devkit.processes.leftovers import end_stale_runs
from touchstone_devkit.system.up import STATE_FILE, Up, what_is_up

STOP_TIMEOUT_S = 75
"""Longer than the drain of a service and the stop of the servers after it."""


def main() -> int:
    """Returns the exit code: 0 also when nothing was up."""
    up = what_is_up()
    if up is None:
        print("nothing is up")
    elif up.kind == "docker":
        if not compose.stop():
            return 1
        STATE_FILE.unlink(missing_ok=True)
    else:
        print("stopping ...")
        _end(up)
        print("stopped")
    end_stale_runs(RUNS)
    return 0


def _end(up: Up) -> None:
    """Asks the background process to stop everything; one that does not is killed, and its keeper ends the rest."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(up.pid)
        process.terminate()
        _, alive = psutil.wait_procs([process], timeout=STOP_TIMEOUT_S)
        for process in alive:
            process.kill()
    STATE_FILE.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
