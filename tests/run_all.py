"""Runs all tests, in two halves at the same time: most of them wait for servers, and leave the processor idle.

The halves are the packages' own tests, and those of the whole system. Each has servers of its own; where both would
share those that the environment names, they run one after the other. Arguments are passed on to both.
"""

import collections
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

HALVES = {"packages": ["libs", "services", "bench/tests"], "system": ["tests"]}
NO_TESTS = 5
_CLOSING = re.compile(r"(=+ )?(?P<counts>\d+ [a-z]+(, \d+ [a-z]+)*) in [0-9.]+s")
_ORDER = ("failed", "passed", "skipped", "deselected", "xfailed", "xpassed", "warning", "error")
_END_OF_PROGRESS = re.compile(rf"=+ (ERRORS|FAILURES|warnings summary|short test summary info)|{_CLOSING.pattern}")


def main(arguments: Sequence[str]) -> int:
    begun = time.monotonic()
    halves = [Half(name, paths, arguments) for name, paths in HALVES.items()]
    if servers_are_shared():
        for half in halves:
            half.run()
    else:
        threads = [threading.Thread(target=half.run) for half in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for half in halves:
        print("\n".join(half.report), flush=True)
    closing = closing_line([half.report for half in halves], time.monotonic() - begun)
    if closing:
        print(closing, flush=True)
    statuses = {half.status for half in halves}
    return max(statuses - {NO_TESTS}, default=NO_TESTS)


def servers_are_shared() -> bool:
    named = os.environ.get("TOUCHSTONE_BACKING", "")
    return named == "environment" or (not named and bool(os.environ.get("AMQP_URI")))


class Half:
    """One pytest process: its progress is shown line by line, its report kept until both are done."""

    def __init__(self, name: str, paths: Sequence[str], arguments: Sequence[str]):
        self._command = [sys.executable, "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{name}", *paths, *arguments]
        self.report: list[str] = []
        self.status = 0

    def run(self) -> None:
        process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            line = line.rstrip("\n")
            if self.report or _END_OF_PROGRESS.match(line):
                self.report.append(line)
            else:
                print(line, flush=True)
        self.status = process.wait()


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
    except KeyboardInterrupt:  # both got it, too, and have ended
        sys.exit(130)
