"""Shows where the time of one audit goes: `make profile` writes a page with waterfalls, a table and flame graphs.

    python -m touchstone_devkit.profiling [--audits 100] [--submitters 16]

Audits (62 criteria, accepted by configuration) are handed in one at a time, and then four times as many by many
submitters at once, while the services write traces; and once more as many while py-spy samples them, without traces.
Mail is not sent: what counts is the recorded notice.
"""

import argparse
import contextlib
import dataclasses
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from touchstone_devkit.backing.choosing import start_backing
from touchstone_devkit.folders import STATE
from touchstone_devkit.profiling.page import show
from touchstone_devkit.profiling.submitting import Load, Submitters, environment
from touchstone_devkit.profiling.traces import PATH, Spans
from touchstone_devkit.system.runner import System

FOLDER = STATE / "profile"
WARM_UP, TIMES_TOGETHER = 20, 4
SAMPLER = [str(Path(sys.executable).with_name("py-spy")), "record", "--gil", "--function", "--duration", "unlimited"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs, writes the page and gives the exit code: 1 where no audit could be followed to its notices."""
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=100, help="one at a time; four times as many at once")
    parser.add_argument("--submitters", type=int, default=16, help="how many hand in at once")
    given = parser.parse_args(arguments)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    *traced, untraced = _run(given.audits, given.submitters)
    spans = Spans(FOLDER / "traces")
    loads = [(load, [audit for sent in load.sent if (audit := spans.audit(sent))]) for load in traced]
    if not all(audits for _load, audits in loads):
        print("profile: no audit was recorded from its submission to its notices", file=sys.stderr)
        return 1
    # On a busy machine durations mean less than CPU.
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}."
    show(machine, loads, untraced, FOLDER)
    print(f"\nThe page, with waterfalls and flame graphs: {FOLDER / 'index.html'}")
    return 0


def _run(audits: int, submitters: int) -> list[Load]:
    """One load after the other; the last without traces."""
    with (
        start_backing() as backing,
        System(backing=backing, sandbox=True, environment=environment(FOLDER)) as system,
        contextlib.closing(Submitters(system)) as load,
    ):
        load.hand_in(WARM_UP)
        loads = [load.hand_in(audits), load.hand_in(audits * TIMES_TOGETHER, submitters)]
        for hop in PATH:
            system.restart(hop, {"TOUCHSTONE_TRACES": ""})
        load.hand_in(WARM_UP)
        with _sampled({hop: system.processes[hop].pid or 0 for hop in PATH}):
            untraced = load.hand_in(audits * TIMES_TOGETHER, submitters)
        return [*loads, dataclasses.replace(untraced, title=f"{untraced.title}, sampled, no traces")]


@contextlib.contextmanager
def _sampled(pids: dict[str, int]) -> Iterator[None]:
    """Have py-spy draw a flame graph of each process, where the machine lets one look into another."""
    samplers = []
    try:
        for hop, pid in pids.items():
            command = [*SAMPLER, "--pid", str(pid), "--output", str(FOLDER / f"{hop}.svg")]
            samplers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    except OSError as error:
        print(f"no flame graphs: {error}", file=sys.stderr)
    time.sleep(1)
    try:
        yield
    finally:
        for sampler in samplers:
            sampler.send_signal(signal.SIGINT)
        for sampler in samplers:
            try:
                sampler.wait(timeout=60)
            except subprocess.TimeoutExpired:
                sampler.kill()


if __name__ == "__main__":
    sys.exit(main())
