"""Runs tests in several processes at the same time: all of them, in four parts, or those that are named.

Most tests wait for servers, and leave the processor idle. The parts are the chassis' tests on real servers, all other
tests of packages, those of the whole system, and those that hurt one. Each has servers of its own; where all would
share those that the environment names, they run one after the other. Where there is room, what servers store is in
memory: tests kill them, and never pull a plug. Property tests draw three examples in ten, with the long tests all of
them. Paths that are named are dealt out by their folders, and need no servers (`make check`). Options of pytest are
passed on to each part.
"""

import collections
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

CHASSIS = "libs/chassis/tests/integration"
LONG = ("libs/chassis", "tests/contract")
HURTING = ["tests/faults", "tests/upgrade"]
ALL = {
    "chassis": [CHASSIS],
    "packages": ["libs", "services", f"--ignore={CHASSIS}"],
    "system": ["bench/tests", "tests", *(f"--ignore={folder}" for folder in HURTING)],
    "hurting": HURTING,
}
SLOWEST = "--durations=40"
EXAMPLES = "0.3"
MEMORY, MEMORY_FREE_MIN = Path("/dev/shm"), 8 * 2**30
NO_TESTS, ENDED_EARLY = 5, 70
_CLOSING = re.compile(r"(=+ )?(?P<counts>\d+ [a-z]+(, \d+ [a-z]+)*) in [0-9.]+s")
_ORDER = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warning", "error")
_TITLES = "ERRORS|FAILURES|warnings summary|slowest [0-9]+ durations|short test summary info"
_END_OF_PROGRESS = re.compile(rf"=+ ({_TITLES})|{_CLOSING.pattern}")


def main(arguments: Sequence[str]) -> int:
    begun = time.monotonic()
    paths = [argument for argument in arguments if Path(argument.partition("::")[0]).exists()]
    options = [argument for argument in arguments if argument not in paths]
    named = parts_of(paths)
    parts = [Part(name, paths, options if named else [SLOWEST, *options]) for name, paths in (named or ALL).items()]
    if servers_are_shared() and not named:
        for part in parts:
            part.run()
    else:
        threads = [threading.Thread(target=part.run) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for part in sorted(parts, key=lambda part: part.status != 0):  # what failed stands last, where one looks first
        print("\n".join(part.report), flush=True)
    for part in parts:
        if not part.ended_well():
            print(f"The part {part.name} ended with status {part.status} before its report. Its last lines:")
            print("\n".join(part.last_lines), flush=True)
    closing = closing_line([part.report for part in parts], time.monotonic() - begun)
    if closing:
        print(closing, flush=True)
    if not all(part.ended_well() for part in parts):
        return ENDED_EARLY
    statuses = {part.status for part in parts}
    return max(statuses - {NO_TESTS}, default=NO_TESTS)


def parts_of(paths: Sequence[str]) -> dict[str, list[str]]:
    """The paths by their first folder; folders in which tests take long are parts of their own."""
    parts: dict[str, list[str]] = {}
    for path in paths:
        long = next((folder for folder in LONG if Path(path).is_relative_to(folder)), None)
        parts.setdefault(long or path.split("/")[0], []).append(path)
    return parts


def data_folder() -> dict[str, str]:
    """Where servers store their data, as an environment; empty where memory is short."""
    if not MEMORY.is_dir() or "TOUCHSTONE_DATA" in os.environ:
        return {}
    free = min(psutil.disk_usage(str(MEMORY)).free, psutil.virtual_memory().available)
    return {"TOUCHSTONE_DATA": str(MEMORY)} if free >= MEMORY_FREE_MIN else {}


def examples() -> dict[str, str]:
    return {} if os.environ.get("TOUCHSTONE_LONG") else {"TOUCHSTONE_EXAMPLES": EXAMPLES}


def servers_are_shared() -> bool:
    named = os.environ.get("TOUCHSTONE_BACKING", "")
    return named == "environment" or (not named and bool(os.environ.get("AMQP_URI")))


class Part:
    """One pytest process: its progress is shown line by line, its report kept until all are done."""

    def __init__(self, name: str, paths: Sequence[str], arguments: Sequence[str]):
        cache = f"cache_dir=.pytest_cache/{name.replace('/', '-')}"
        self.name = name
        self._command = [sys.executable, "-m", "pytest", "-o", cache, *paths, *arguments]
        self.report: list[str] = []
        self.last_lines: collections.deque[str] = collections.deque(maxlen=60)
        self.status = 0

    def run(self) -> None:
        process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**examples(), **os.environ, **data_folder()},
        )
        assert process.stdout is not None
        for line in process.stdout:
            line = line.rstrip("\n")
            self.last_lines.append(line)
            if self.report or _END_OF_PROGRESS.match(line):
                self.report.append(line)
            else:
                print(line, flush=True)
        self.status = process.wait()

    def ended_well(self) -> bool:
        """Whether it came to its closing line: a process that dies takes the results of its tests with it."""
        return self.status == NO_TESTS or any(_CLOSING.match(line) for line in self.report)


def closing_line(reports: Sequence[Sequence[str]], seconds: float) -> str:
    """As pytest would write it for all of them; empty when there is nothing to add up."""
    counts: collections.Counter[str] = collections.Counter()
    for report in reports:
        found = next((m for line in reversed(report) if (m := _CLOSING.match(line))), None)
        for number, what in re.findall(r"(\d+) ([a-z]+)", found["counts"] if found else ""):
            counts[what.removesuffix("s")] += int(number)
    told = ", ".join(
        f"{counts[what]} {what}{'s' if what in ('warning', 'error') and counts[what] > 1 else ''}"
        for what in sorted(counts, key=_ORDER.index)
    )
    return f" {told} in {seconds:.2f}s ".center(100, "=") if told else ""


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # the parts got it, too, and have ended
        sys.exit(130)
